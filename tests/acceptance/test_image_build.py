"""`image build --archive`, as it is typed: reproducible, complete, and refusing what cannot work.

The base is made here and cannot run, and the lock pins one wheel that is made here, too: nothing
is fetched. That the real image runs the stack is seen in a cluster.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.targets.servers import jars
from tests.support.base_images import write_base
from tests.support.command_line import CommandLine
from tests.support.small_wheels import offline, write_wheel

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

PYTHON = ".".join(map(str, sys.version_info[:2]))
LIBRARY = f"usr/local/lib/python{PYTHON}"
SITE = "opt/bookpay/site-packages"
PIP = {f"{LIBRARY}/site-packages/pip/__init__.py": b""}


@pytest.fixture(scope="module")
def kafka_jars() -> Path:
    return jars.ensure(jars.cache_dir(), lambda _done, _of: None)


@pytest.fixture
def workshop(tmp_path: Path, kafka_jars: Path) -> CommandLine:
    """A folder with a base, a wheel and a lock, a cache of its own, and no way to an index."""
    write_wheel(tmp_path)
    write_base(tmp_path / "base.tar", PIP, python=PYTHON)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / kafka_jars.name).symlink_to(kafka_jars)
    extra = {**offline(tmp_path), "BOOKPAY_CACHE": str(cache)}
    return CommandLine(tmp_path / ".bookpay", extra=extra)


def build(workshop: CommandLine, archive: str, *more: str) -> dict[str, Any]:
    files = ("--archive", archive, "--base", "base.tar", "--lock", "requirements.lock")
    return workshop.ask("image", "build", *files, *more)


def layers_of(archive: Path) -> list[dict[str, tuple[tarfile.TarInfo, bytes]]]:
    """Each layer's members by name, with what is in them."""
    with tarfile.open(archive) as image:
        (told,) = json.loads(content(image, "manifest.json"))
        blobs = [content(image, name) for name in told["Layers"]]
    found = []
    for blob in blobs:
        with tarfile.open(fileobj=io.BytesIO(blob)) as layer:
            members = layer.getmembers()
            found.append(
                {m.name: (m, content(layer, m.name) if m.isreg() else b"") for m in members}
            )
    return found


def content(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    assert stream is not None
    return stream.read()


def test_two_builds_of_the_same_are_the_same_byte_for_byte(
    workshop: CommandLine, tmp_path: Path, kafka_jars: Path
) -> None:
    other = tmp_path / "another cache"
    other.mkdir()
    (other / kafka_jars.name).symlink_to(kafka_jars)
    elsewhere = CommandLine(workshop.home, extra={**workshop.extra, "BOOKPAY_CACHE": str(other)})

    one, two = build(workshop, "one.tar"), build(elsewhere, "two.tar")

    assert (one["exit"]["code"], two["exit"]["code"]) == (0, 0), (one, two)
    assert one["archive_digest"] == two["archive_digest"]
    assert one["image_id"] == two["image_id"]
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert (tmp_path / "one.cdx.json").read_text() == (tmp_path / "two.cdx.json").read_text()


def test_the_image_holds_wheels_jars_and_ours_in_layers_of_their_own(
    workshop: CommandLine, tmp_path: Path, kafka_jars: Path
) -> None:
    built = build(workshop, "bookpay.tar")

    assert [layer["what"] for layer in built["layers"]] == [
        *("base", "base", "python", "wheels", "jars", "bookpay")
    ]
    _, _, python, wheels, kafka, ours = layers_of(tmp_path / "bookpay.tar")
    assert any(name.startswith(f"{LIBRARY}/__pycache__/os.") for name in python)
    assert {f"{SITE}/ant/__init__.py", f"{SITE}/ant/größe.py"} <= wheels.keys()
    assert f"{SITE}/bin/ant" not in wheels
    assert b"bin/ant" not in wheels[f"{SITE}/ant-1.0.dist-info/RECORD"][1]
    assert f"{SITE}/runtime/__main__.py" in ours
    assert f"{SITE}/runtime/sql/outbox-ddl.sql" in ours
    assert f"{SITE}/bookpayctl/targets/servers/kafka-jars.sha256" in ours
    assert f"opt/bookpay/cache/{kafka_jars.name}/verified.json" in kafka


def test_the_image_has_our_user_and_none_of_what_installs(
    workshop: CommandLine, tmp_path: Path
) -> None:
    build(workshop, "bookpay.tar")

    ours = layers_of(tmp_path / "bookpay.tar")[-1]
    assert ours["etc/passwd"][1].endswith(
        b"\nbookpay:x:10001:10001:bookpay:/tmp:/usr/sbin/nologin\n"
    )
    assert b"\nbookpay:x:10001:" in ours["etc/group"][1]
    data = ours["var/lib/bookpay"][0]
    assert (data.uid, data.gid, data.mode) == (10001, 10001, 0o755)
    assert f"{LIBRARY}/site-packages/.wh.pip" in ours
    assert not any("setuptools" in name for name in ours)


def test_the_list_of_materials_is_in_the_image_and_beside_it(
    workshop: CommandLine, tmp_path: Path, kafka_jars: Path
) -> None:
    build(workshop, "bookpay.tar")

    beside = (tmp_path / "bookpay.cdx.json").read_bytes()
    inside = layers_of(tmp_path / "bookpay.tar")[-1]["opt/bookpay/sbom.cdx.json"][1]
    assert inside == beside
    components = json.loads(beside)["components"]
    assert len(components) == 1 + len(list(kafka_jars.glob("*.jar")))
    assert "pkg:pypi/ant@1.0" in {one["purl"] for one in components}


def test_the_jars_in_the_image_need_no_verification(
    workshop: CommandLine, tmp_path: Path, kafka_jars: Path
) -> None:
    """On a read-only root it could not be written down, and would be done at every start."""
    build(workshop, "bookpay.tar")

    kafka = layers_of(tmp_path / "bookpay.tar")[-2]
    at = f"opt/bookpay/cache/{kafka_jars.name}"
    mark = json.loads(kafka[f"{at}/verified.json"][1])
    assert mark == {
        name.rsplit("/", 1)[1]: [member.size, int(member.mtime) * 1_000_000_000]
        for name, (member, _) in kafka.items()
        if name.endswith(".jar")
    }
    assert len(mark) > 40


def test_a_second_build_takes_the_layers_that_are_there(workshop: CommandLine) -> None:
    build(workshop, "bookpay.tar")

    files = ("--archive", "bookpay.tar", "--base", "base.tar", "--lock", "requirements.lock")
    again = workshop.run("image", "build", *files)

    assert again.returncode == 0
    assert "wheels   1," in again.stderr
    assert "installing" not in again.stderr


def test_a_wheel_that_has_none_of_its_hashes_is_no_part_of_an_image(
    workshop: CommandLine, tmp_path: Path
) -> None:
    wheel, _ = write_wheel(tmp_path)
    wheel.write_bytes(wheel.read_bytes() + b"!")

    refused = build(workshop, "bookpay.tar")

    assert refused["exit"] == {"code": 3, "reason": "wheels_not_fetched"}
    assert "DO NOT MATCH THE HASHES" in refused["message"]
    assert not (tmp_path / "bookpay.tar").exists()
    assert [path.name for path in (tmp_path / "cache" / "image").glob(".*")] == []


@pytest.mark.parametrize(
    ("more", "reason", "message"),
    [
        (("--platform", "linux/arm64"), "other_architecture", "is for linux/amd64"),
        (("--platform", "plan9/mips"), "image_inputs", "no image can be made"),
        (("--base", "nothing.tar"), "image_inputs", "there is no base archive nothing.tar"),
        (("--base", "requirements.lock"), "image_inputs", "is not a docker-archive"),
        (("--lock", "nothing.lock"), "image_inputs", "there is no lock nothing.lock"),
        (("--tag", "Not a tag"), "usage", "is not NAME:TAG"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    workshop: CommandLine, tmp_path: Path, more: tuple[str, ...], reason: str, message: str
) -> None:
    refused = build(workshop, "bookpay.tar", *more)

    assert refused["exit"] == {"code": 2, "reason": reason}
    assert message in refused["message"]
    assert not (tmp_path / "bookpay.tar").exists()


def test_a_python_that_is_too_old_is_refused(workshop: CommandLine, tmp_path: Path) -> None:
    write_base(tmp_path / "base.tar", python="3.10")

    refused = build(workshop, "bookpay.tar")

    assert refused["exit"]["code"] == 2
    assert "has Python 3.10, and bookpay needs 3.11" in refused["message"]


def test_an_image_for_a_python_that_is_not_here_is_built_without_byte_code(
    workshop: CommandLine, tmp_path: Path
) -> None:
    write_base(tmp_path / "base.tar", python="3.99")

    files = ("--archive", "bookpay.tar", "--base", "base.tar", "--lock", "requirements.lock")
    built = workshop.run("image", "build", *files)

    assert built.returncode == 0, built.stderr
    assert "no Python 3.99 here to compile with" in built.stderr
    names = [name for layer in layers_of(tmp_path / "bookpay.tar") for name in layer]
    assert len(names) > 500
    assert [name for name in names if name.endswith(".pyc")] == []


def test_without_an_engine_and_without_a_base_it_says_what_to_bring(
    workshop: CommandLine, tmp_path: Path
) -> None:
    bare = CommandLine(workshop.home, extra={**workshop.extra, "PATH": str(tmp_path)})

    no_base = bare.ask("image", "build", "--archive", "bookpay.tar")
    no_engine = bare.ask("image", "build")

    assert no_base["exit"] == {"code": 2, "reason": "no_base"}
    assert no_engine["exit"] == {"code": 2, "reason": "no_engine"}
    assert "--archive" in no_engine["fix"]
