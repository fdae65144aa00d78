"""A packed run comes from somebody: it is unpacked where it is told to, or refused."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from bookpayctl.runs.archive import PackedRunError, unpack


def packed(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            content = b"x" * 3 if member.isreg() else b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, to
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where to; what lies beside it must stay as it is."""
    found = tmp_path / "all" / "unpacked"
    found.mkdir(parents=True)
    return found


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_what_was_packed_is_there_again(mode: str, tmp_path: Path, folder: Path) -> None:
    run = tmp_path / "run"
    (run / "ledgers").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "ledgers" / "orders.parquet").write_bytes(os.urandom(100_000))
    archive = tmp_path / "run.tar"
    with tarfile.open(archive, mode) as writing:  # type: ignore[call-overload]
        writing.add(run, arcname="20261129-run")

    unpack(archive, folder)

    found = folder / "20261129-run"
    for name in ("run.json", "ledgers/orders.parquet"):
        assert (found / name).read_bytes() == (run / name).read_bytes()
    assert sorted(path.name for path in folder.rglob("*")) == [
        "20261129-run",
        "ledgers",
        "orders.parquet",
        "run.json",
    ]


def test_folders_that_are_not_listed_are_made(tmp_path: Path, folder: Path) -> None:
    unpack(packed(tmp_path / "run.tar", member("a/b/run.json")), folder)

    assert (folder / "a" / "b" / "run.json").read_bytes() == b"xxx"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("../beside"), "outside"),
        (member("run/../../beside"), "outside"),
        (member("/beside"), "outside"),
        (member("..", tarfile.DIRTYPE), "outside"),
        (member("run/link", tarfile.SYMTYPE, "/etc/passwd"), "neither a file nor a folder"),
        (member("run/link", tarfile.LNKTYPE, "run/run.json"), "neither a file nor a folder"),
        (member("run/pipe", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (member("run/device", tarfile.CHRTYPE), "neither a file nor a folder"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else None,
)
def test_what_no_run_has_is_refused(
    bad: tarfile.TarInfo, why: str, tmp_path: Path, folder: Path
) -> None:
    archive = packed(tmp_path / "run.tar", member("run/run.json"), bad)

    with pytest.raises(PackedRunError, match=why) as refused:
        unpack(archive, folder)

    assert repr(bad.name) in str(refused.value)
    assert os.listdir(folder.parent) == ["unpacked"]
    assert not any(path.is_symlink() for path in folder.rglob("*"))


@pytest.mark.parametrize("left", [0, 700, 5000])
def test_a_file_that_is_cut_or_no_archive_is_refused(
    left: int, tmp_path: Path, folder: Path
) -> None:
    whole = tmp_path / "run.tar"
    with tarfile.open(whole, "w") as writing:
        large = member("run/orders.parquet")
        large.size = 20_000
        writing.addfile(large, io.BytesIO(b"y" * 20_000))
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:left])

    with pytest.raises(PackedRunError):
        unpack(cut, folder)
