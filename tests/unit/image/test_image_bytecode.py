"""Byte code: the same wherever it is made, and believed without a look at the source."""

from __future__ import annotations

import sys
from pathlib import Path

from bookpayctl.image.bytecode import Compiler, compiled, compiler_for
from bookpayctl.image.entries import file_entry

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
SOURCES = [
    file_entry("opt/names.py", b"NAMES = {'a', 'b', 'c', 'd', 'e'}\nX = 'x' in {'x', 'y', 'z'}\n"),
    file_entry("opt/raises.py", b"def f():\n    raise ValueError('here')\n"),
    file_entry("opt/template.py", b"class {{ name }}:\n"),
    file_entry("opt/text.txt", b"no code"),
]


def this_compiler() -> Compiler:
    found = compiler_for(THIS)
    assert found is not None
    return found


def test_this_python_compiles_for_its_own_version() -> None:
    micro = sys.version_info.micro

    assert this_compiler() == Compiler(sys.executable, f"{THIS}.{micro}")


def test_for_a_version_that_is_not_here_nothing_is_compiled(tmp_path: Path) -> None:
    assert compiler_for("3.2") is None
    assert compiled(SOURCES, None, tmp_path) == []


def test_a_file_that_is_no_python_has_no_byte_code(tmp_path: Path) -> None:
    tag = sys.implementation.cache_tag

    found = compiled(SOURCES, this_compiler(), tmp_path)

    assert sorted(entry.path for entry in found) == [
        f"opt/__pycache__/names.{tag}.pyc",
        f"opt/__pycache__/raises.{tag}.pyc",
    ]


def test_it_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    contents = []
    for place in (tmp_path / "here", tmp_path / "in" / "another" / "place"):
        found = sorted(compiled(SOURCES, this_compiler(), place), key=lambda entry: entry.path)
        contents.append([Path(str(entry.source)).read_bytes() for entry in found])

    assert contents[0] == contents[1]
    assert not any(str(tmp_path).encode() in content for content in contents[0])


def test_it_names_files_as_they_are_in_the_image_and_is_never_checked(tmp_path: Path) -> None:
    found = compiled(SOURCES, this_compiler(), tmp_path)

    content = Path(str(next(e for e in found if "raises" in e.path).source)).read_bytes()
    # PEP 552: bit 0 says that it is found by hash, bit 1 that the source is to be looked at.
    assert int.from_bytes(content[4:8], "little") == 0b01
    assert b"/opt/raises.py" in content
