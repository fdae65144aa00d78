"""What tells two images of one version apart."""

from __future__ import annotations

from pathlib import Path

from runtime.version import DIGEST_LENGTH, package_version, source_digest


def folder(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name.replace("_py", ".py").replace("_pyc", ".pyc")).write_text(text)
    return root


def test_the_same_code_has_the_same_digest_wherever_it_lies(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", a_py="1", b_py="2")
    two = folder(tmp_path / "two", b_py="2", a_py="1")

    assert source_digest(one) == source_digest(two)


def test_a_changed_or_moved_module_has_another_digest_and_its_cache_does_not(
    tmp_path: Path,
) -> None:
    base = source_digest(folder(tmp_path / "base", a_py="1", b_py="2"))

    changed = source_digest(folder(tmp_path / "changed", a_py="1", b_py="3"))
    moved = source_digest(folder(tmp_path / "moved", a_py="1", c_py="2"))
    cached = folder(tmp_path / "cached", a_py="1", b_py="2")
    (cached / "a.pyc").write_text("bytecode")

    assert len({base, changed, moved}) == 3
    assert source_digest(cached) == base


def test_this_runtime_has_a_version_and_a_digest() -> None:
    assert package_version()
    assert len(source_digest()) == DIGEST_LENGTH
