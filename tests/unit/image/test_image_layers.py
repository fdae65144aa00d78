"""A layer: its bytes are decided by what is in it, and by nothing else."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from bookpayctl.image.entries import (
    DoubleEntryError,
    EntryKind,
    LayerEntry,
    file_entry,
    folder_entry,
    in_order,
    whiteout,
)
from bookpayctl.image.folder import folder_entries
from bookpayctl.image.layer import EPOCH_SECONDS, write_layer

LONG = "/".join(["deep" * 10] * 8)


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar}


def test_a_folder_comes_before_what_lies_in_it_and_neighbours_by_name() -> None:
    entries = [file_entry("opt/b-c", b""), file_entry("opt/b/z", b""), file_entry("opt/a", b"")]

    assert [entry.path for entry in in_order(entries)] == [
        *("opt", "opt/a", "opt/b", "opt/b/z", "opt/b-c")
    ]


def test_a_folder_of_the_base_keeps_its_mode_and_owner() -> None:
    entries = [file_entry("var/lib/x/y", b"")]

    assert [entry.path for entry in in_order(entries, standing={"var", "var/lib"})] == [
        *("var/lib/x", "var/lib/x/y")
    ]


def test_two_things_at_one_path_are_refused() -> None:
    with pytest.raises(DoubleEntryError, match="opt/a comes twice"):
        in_order([file_entry("opt/a", b"1"), file_entry("opt/a", b"2")])


def test_the_same_tree_is_the_same_layer_whoever_made_it_and_when(tmp_path: Path) -> None:
    digests = set()
    for number, (mask, when) in enumerate([(0o022, 1_000_000_000), (0o077, 1_700_000_000)]):
        root = tmp_path / f"tree{number}"
        before = os.umask(mask)
        try:
            for name in ("b", "a", "c") if number else ("c", "a", "b"):
                (root / name).mkdir(parents=True)
                (root / name / "file").write_text(name)
                os.utime(root / name / "file", (when, when))
            (root / "a" / "program").write_text("#!")
            (root / "a" / "program").chmod(0o700)
            (root / "link").symlink_to("a/file")
        finally:
            os.umask(before)
        entries = in_order(folder_entries(root, "opt", lambda _: True))
        digests.add(write_layer(entries, tmp_path / f"{number}.tar").diff_id)

    assert len(digests) == 1


def test_modes_owners_and_times_are_the_layers_own(tmp_path: Path) -> None:
    entries = [
        file_entry("bin/run", b"#!", program=True),
        file_entry("etc/text", b"text"),
        folder_entry("var/data", owner=10001),
        LayerEntry("bin/link", EntryKind.LINK, b"run"),
    ]

    write_layer(in_order(entries), tmp_path / "layer.tar")

    found = members(tmp_path / "layer.tar")
    assert (found["bin/run"].mode, found["etc/text"].mode) == (0o755, 0o644)
    assert (found["var/data"].uid, found["var/data"].gid, found["var"].uid) == (10001, 10001, 0)
    assert found["bin/link"].linkname == "run"
    assert {member.mtime for member in found.values()} == {EPOCH_SECONDS}
    assert {member.uname for member in found.values()} == {""}


@pytest.mark.parametrize(
    "name", [f"{LONG}/x", "opt/größe/订单.py", "opt/" + "n" * 200, "opt/a b#c"]
)
def test_a_name_of_any_length_and_letters_comes_through(tmp_path: Path, name: str) -> None:
    link = LayerEntry("opt/link", EntryKind.LINK, f"/{name}".encode())

    write_layer(in_order([file_entry(name, b"here"), link]), tmp_path / "layer.tar")

    with tarfile.open(tmp_path / "layer.tar") as tar:
        content = tar.extractfile(name)
        assert content is not None
        assert content.read() == b"here"
        assert tar.getmember("opt/link").linkname == f"/{name}"


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    layer = write_layer(in_order([file_entry("a/b", b"x" * 3_000_000)]), tmp_path / "layer.tar")

    content = (tmp_path / "layer.tar").read_bytes()
    assert layer.diff_id == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert layer.size_bytes == len(content)


def test_a_whiteout_stands_beside_what_it_hides() -> None:
    assert whiteout("usr/lib/pip").path == "usr/lib/.wh.pip"
