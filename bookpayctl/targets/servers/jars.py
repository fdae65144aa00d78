"""Kafka's jars: fetched once per user, checked against pinned digests, kept for offline use.

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
from importlib.resources import files
from pathlib import Path
from typing import Final

import platformdirs

# slf4j-simple, not slf4j-nop: a broker that dies must be able to say why.
COORDINATES: Final = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"
CACHE_VARIABLE: Final = "BOOKPAY_CACHE"
_PINS_FILE: Final = "kafka-jars.sha256"
VERIFIED_MARK: Final = "verified.json"

Progress = Callable[[int, int], None]
"""Called with the jars that are there and the jars there will be."""


class JarsError(RuntimeError):
    """Kafka's jars cannot be had; the message says what to do."""


def cache_dir() -> Path:
    """The folder of things that can be fetched again: $BOOKPAY_CACHE, else the user's cache."""
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        return Path(configured).absolute()
    return Path(platformdirs.user_cache_dir("bookpay"))


def pinned() -> dict[str, str]:
    """File name -> sha256 of every jar, from the file kept with the source."""
    text = (files(__package__) / _PINS_FILE).read_text()
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def jars_dir(cache: Path) -> Path:
    """Where the jars of these pins lie; other pins have another folder."""
    digest = hashlib.sha256(json.dumps(pinned(), sort_keys=True).encode()).hexdigest()
    return cache / f"kafka-{digest[:12]}"


def class_path(jars: Path) -> str:
    """Every pinned jar in one fixed order, whether or not it has been fetched yet."""
    return os.pathsep.join(str(jars / name) for name in sorted(pinned()))


def ensure(cache: Path, progress: Progress) -> Path:
    """Return the folder with every pinned jar, verified; fetch them when they are not there.

    Args:
        cache: the user's cache folder; made when missing.
        progress: told about each jar that arrives; not called when nothing is fetched.

    Raises:
        JarsError: no network, or what came is not what is pinned. The cache is as before.
    """
    target = jars_dir(cache)
    if is_verified(target):
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "kafka.lock"):
        if is_verified(target):
            # Somebody else fetched them while we waited.
            return target
        # Whoever made these is dead: we hold the lock.
        for leftover in cache.glob(".fetching-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = cache / f".fetching-{os.getpid()}"
        try:
            _fetch(staging, progress)
            shutil.rmtree(target, ignore_errors=True)
            (staging / "jars").rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def is_verified(target: Path) -> bool:
    """Whether the folder holds exactly the pinned jars.

    Digests are computed once; later the mark, which holds size and modification time of each
    file, answers. A file that changed is read again.
    """
    if _recorded_stamps(target) == _stamps(target):
        return True
    if _differences(target):
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


def _differences(folder: Path) -> list[str]:
    """What separates the folder from the pins, one phrase per file."""
    pins = pinned()
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


def _fetch(staging: Path, progress: Progress) -> None:
    """Resolve and download into `staging`, and leave the checked jars in `staging/jars`."""
    # Half a second to import, and needed once in the life of a machine.
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext, PythonResolver

    total = len(pinned())
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
        environment = builder.from_endpoint(endpoint=COORDINATES)
    except (OSError, RuntimeError, ValueError) as error:
        raise JarsError(
            f"cannot fetch Kafka ({type(error).__name__}: {error}); the first `up` needs the"
            f" network once. Without it, copy the cache of a machine that has it and point"
            f" {CACHE_VARIABLE} at the copy"
        ) from error
    collected = staging / "jars"
    collected.mkdir()
    for path in Path(environment.path).rglob("*.jar"):
        path.rename(collected / path.name)
    if differences := _differences(collected):
        raise JarsError(
            f"Kafka's jars are not the pinned ones: {'; '.join(differences[:3])}"
            f" ({len(differences)} in all); nothing of them is used"
        )
    (collected / VERIFIED_MARK).write_text(json.dumps(_stamps(collected)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
