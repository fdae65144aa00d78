"""Jars of Kafka and of Debezium: fetched once per user, checked against pins, kept for offline use.

`jgo` resolves and downloads them; what it brought is accepted only when every file is one of the
pinned ones and every pinned one is there. Concurrent callers wait for each other, and the folder
appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import platformdirs

CACHE_VARIABLE: Final = "BOOKPAY_CACHE"
VERIFIED_MARK: Final = "verified.json"


@dataclass(frozen=True, slots=True)
class JarSet:
    """Jars that are one class path.

    Attributes:
        name: how its folder in the cache begins.
        title: whose they are, for a person.
        coordinates: what they are resolved from.
        pins_file: name and digest of every one of them, kept beside this module.
        size_mb: what a first download takes.
    """

    name: str
    title: str
    coordinates: str
    pins_file: str
    size_mb: int


# slf4j-simple, not slf4j-nop: a broker that dies must be able to say why.
_LOGGING: Final = "org.slf4j:slf4j-simple:1.7.36"

KAFKA: Final = JarSet(
    name="kafka",
    title="Kafka",
    coordinates=f"org.apache.kafka:kafka_2.13:4.4.0+{_LOGGING}",
    pins_file="kafka-jars.sha256",
    size_mb=45,
)

# One release for the whole worker, that of the manifests' KafkaConnect: Debezium asks for the one
# before, and 3.6 does not run on Connect 4.4, which moved a class that it uses (Sanitizer).
_CONNECT: Final = ("connect-runtime", "connect-api", "connect-json", "connect-transforms")
DEBEZIUM: Final = JarSet(
    name="debezium",
    title="Debezium and Kafka Connect",
    coordinates="+".join(
        (
            *(f"org.apache.kafka:{name}:4.3.1" for name in (*_CONNECT, "kafka-clients")),
            "io.debezium:debezium-connector-postgres:3.6.1.Final",
            _LOGGING,
        )
    ),
    pins_file="debezium-jars.sha256",
    size_mb=40,
)

Progress = Callable[[int, int], None]
"""Called with the jars that are there and the jars there will be."""


class JarsError(RuntimeError):
    """The jars cannot be had; the message says what to do."""


def cache_dir() -> Path:
    """The folder of things that can be fetched again: $BOOKPAY_CACHE, else the user's cache."""
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        return Path(configured).absolute()
    return Path(platformdirs.user_cache_dir("bookpay"))


def pinned(jars: JarSet = KAFKA) -> dict[str, str]:
    """File name -> sha256 of every jar, from the file kept with the source."""
    text = (files(__package__) / jars.pins_file).read_text()
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def jars_dir(cache: Path, jars: JarSet = KAFKA) -> Path:
    """Where the jars of these pins lie; other pins have another folder."""
    digest = hashlib.sha256(json.dumps(pinned(jars), sort_keys=True).encode()).hexdigest()
    return cache / f"{jars.name}-{digest[:12]}"


def class_path(folder: Path, jars: JarSet = KAFKA) -> str:
    """Every pinned jar in one fixed order, whether or not it has been fetched yet."""
    return os.pathsep.join(str(folder / name) for name in sorted(pinned(jars)))


def ensure(cache: Path, progress: Progress, jars: JarSet = KAFKA) -> Path:
    """Return the folder with every pinned jar, verified; fetch them when they are not there.

    Args:
        cache: the user's cache folder; made when missing.
        progress: told about each jar that arrives; not called when nothing is fetched.

    Raises:
        JarsError: no network, or what came is not what is pinned. The cache is as before.
    """
    target = jars_dir(cache, jars)
    if is_verified(target, jars):
        return target
    cache.mkdir(parents=True, exist_ok=True)
    # One lock for every set: whoever holds it removes what others left half fetched.
    with _locked(cache / "kafka.lock"):
        if is_verified(target, jars):
            # Somebody else fetched them while we waited.
            return target
        # Whoever made these is dead: we hold the lock.
        for leftover in cache.glob(".fetching-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = cache / f".fetching-{os.getpid()}"
        try:
            _fetch(jars, staging, progress)
            shutil.rmtree(target, ignore_errors=True)
            (staging / "jars").rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def is_verified(target: Path, jars: JarSet = KAFKA) -> bool:
    """Whether the folder holds exactly the pinned jars.

    Digests are computed once; later the mark, which holds size and modification time of each
    file, answers. A file that changed is read again.
    """
    if _recorded_stamps(target) == _stamps(target):
        return True
    if _differences(target, jars):
        return False
    (target / VERIFIED_MARK).write_text(json.dumps(_stamps(target)))
    return True


def mark_of_copy(folder: Path, modified_at_seconds: int) -> tuple[str, str]:
    """Name and text of the mark for a copy of the folder, so that the copy is not read again.

    Args:
        folder: the verified jars.
        modified_at_seconds: the modification time that every jar of the copy has.
    """
    modified_at_ns = modified_at_seconds * 1_000_000_000
    stamps = {name: [size, modified_at_ns] for name, (size, _) in _stamps(folder).items()}
    return VERIFIED_MARK, json.dumps(stamps)


def _recorded_stamps(target: Path) -> object:
    """What the mark holds; None when there is none, or a process died over it."""
    try:
        return json.loads((target / VERIFIED_MARK).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _stamps(folder: Path) -> dict[str, list[int]]:
    stats = {path.name: path.stat() for path in folder.glob("*.jar")}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in sorted(stats.items())}


def _differences(folder: Path, jars: JarSet) -> list[str]:
    """What separates the folder from the pins, one phrase per file."""
    pins = pinned(jars)
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")
    }
    return [
        *(f"{name} is missing" for name in sorted(pins.keys() - found.keys())),
        *(f"{name} is not pinned" for name in sorted(found.keys() - pins.keys())),
        *(
            f"{name} has another digest"
            for name in sorted(pins.keys() & found.keys())
            if pins[name] != found[name]
        ),
    ]


def _fetch(jars: JarSet, staging: Path, progress: Progress) -> None:
    """Resolve and download into `staging`, and leave the checked jars in `staging/jars`."""
    # Half a second to import, and needed once in the life of a machine.
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext, PythonResolver

    total = len(pinned(jars))
    arrived = 0

    @contextmanager
    def on_file(name: str, _size: int) -> Iterator[Callable[[int], None]]:
        nonlocal arrived
        yield lambda _bytes: None
        if name.endswith(".jar"):
            arrived += 1
            progress(arrived, total)

    progress(0, total)
    try:
        # The repository copy goes to staging too: a half-written file in the user's own one
        # would poison every later attempt.
        context = MavenContext(
            resolver=PythonResolver(progress_callback=on_file), repo_cache=staging / "repository"
        )
        builder = EnvironmentBuilder(
            context=context, cache_dir=staging / "environments", link_strategy=LinkStrategy.HARD
        )
        environment = builder.from_endpoint(endpoint=jars.coordinates)
    except (OSError, RuntimeError, ValueError) as error:
        raise JarsError(
            f"cannot fetch {jars.title} ({type(error).__name__}: {error}); the first `up` needs the"
            f" network once. Without it, copy the cache of a machine that has it and point"
            f" {CACHE_VARIABLE} at the copy"
        ) from error
    collected = staging / "jars"
    collected.mkdir()
    for path in Path(environment.path).rglob("*.jar"):
        path.rename(collected / path.name)
    if differences := _differences(collected, jars):
        raise JarsError(
            f"the jars of {jars.title} are not the pinned ones: {'; '.join(differences[:3])}"
            f" ({len(differences)} in all); nothing of them is used"
        )
    (collected / VERIFIED_MARK).write_text(json.dumps(_stamps(collected)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
