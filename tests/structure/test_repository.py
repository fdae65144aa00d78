"""What must be true of the repository itself: lengths, names, locks, decisions, forbidden text.

The rules are STYLE.md's. A rule stands here when no linter has it. Files that git ignores are not
looked at; files that are not committed yet are.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import stat
import statistics
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
MEDIAN_FILE_LINES_MAX: Final = 120
# Below this many files the median says more about what is missing than about what is there.
FILES_FOR_A_MEDIAN: Final = 40
DECISION_LINES_MAX: Final = 60

CODE_SUFFIXES: Final = frozenset({".py", ".sql", ".sh"})
FORBIDDEN_MODULES: Final = frozenset(
    {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc", "data", "info"}
)
TEST_FOLDERS: Final = frozenset(
    {"structure", "unit", "contract", "integration", "acceptance", "cluster", "crash_matrix"}
)
DECISION_SECTIONS: Final = ["Context", "Options", "Decision", "Consequences", "Revisit when"]
LOCKS: Final = ("requirements.lock", "requirements-dev.lock")

# No pattern matches its own source, so this file needs no exception.
REGISTRY_HOST: Final = re.compile(
    r"pypi\.org|pythonhosted\.org|maven\.org|maven\.apache\.org|npmjs\.org|npmjs\.com|"
    r"proxy\.golang\.org|crates\.io"
)
FOREIGN_PATH: Final = re.compile(r"/(?:wor[k]|roo[t])/")
LIVE_STRIPE_KEY: Final = re.compile(r"[a-z]k_live_[0-9A-Za-z]{8,}")
LOCKED_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?==([^\s;]+)")


def ignored_names() -> list[str]:
    """Patterns of names that git ignores, anywhere in the tree."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    return [".git", *(line.strip().rstrip("/") for line in lines if line.strip())]


def repository_files() -> Iterator[Path]:
    """Every file that is, or could be, committed."""
    ignored = ignored_names()

    def kept(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in ignored)

    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if kept(name))
        yield from (Path(folder) / name for name in sorted(files) if kept(name))


def python_files(*folders: str) -> list[Path]:
    """Python files of the repository, or of the named top folders only."""
    files = (path for path in repository_files() if path.suffix == ".py")
    return [path for path in files if not folders or relative(path).parts[0] in folders]


def relative(path: Path) -> Path:
    return path.relative_to(ROOT)


def text_of(path: Path) -> str:
    """The file's text; empty for what is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a Python file, the module first."""
    return tuple(ast.walk(ast.parse(path.read_text(), str(path))))


@pytest.fixture(scope="module", autouse=True)
def _forgotten_afterwards() -> Iterator[None]:
    """The trees of all files are large; they are kept as long as this file runs."""
    yield
    nodes_of.cache_clear()


def docstring_of(path: Path) -> str | None:
    module = nodes_of(path)[0]
    assert isinstance(module, ast.Module)
    return ast.get_docstring(module)


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a Python file, nested ones too."""
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    """`file:line` of each match in the repository, without the matched text: it may be secret."""
    return [
        f"{relative(path)}:{number}"
        for path in repository_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_source_file_is_longer_than_400_lines() -> None:
    sources = [path for path in repository_files() if path.suffix in CODE_SUFFIXES]

    lengths = {str(relative(path)): len(text_of(path).splitlines()) for path in sources}

    assert lengths, "no source file was found, so nothing was examined"
    assert {name: n for name, n in lengths.items() if n > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    too_long = [
        f"{relative(path)}:{function.lineno} {function.name}"
        for path in python_files()
        for function in functions_of(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert too_long == []


def test_the_median_file_of_both_programs_is_under_120_lines() -> None:
    lengths = [len(path.read_text().splitlines()) for path in python_files("runtime", "bookpayctl")]
    lengths = [length for length in lengths if length > 0]

    if len(lengths) < FILES_FOR_A_MEDIAN:
        pytest.skip(f"{len(lengths)} files are too few for a median to mean anything")

    assert statistics.median(lengths) < MEDIAN_FILE_LINES_MAX


def test_no_module_or_package_has_a_name_that_says_nothing() -> None:
    nameless = [
        str(relative(path))
        for path in python_files()
        if FORBIDDEN_MODULES & {path.stem, *relative(path).parent.parts}
        or path.stem.endswith(("_utils", "_helpers"))
    ]

    assert nameless == []


def test_every_module_opens_with_a_docstring() -> None:
    silent = [
        str(relative(path))
        for path in python_files("runtime", "bookpayctl", "benchmarks", "docs", "noxfile.py")
        if path.read_text().strip() and not docstring_of(path)
    ]

    assert silent == []


def test_every_test_file_is_in_a_folder_that_nox_runs() -> None:
    tests = [relative(path) for path in python_files("tests") if path.name.startswith("test_")]

    assert tests, "no test file was found, so nothing was examined"
    assert [str(path) for path in tests if path.parts[1] not in TEST_FOLDERS] == []


def test_every_test_name_reads_as_a_sentence() -> None:
    names = [
        (f"{relative(path)}:{function.lineno}", function.name)
        for path in python_files("tests")
        if path.name.startswith("test_")
        for function in functions_of(path)
        if function.name.startswith("test")
    ]

    # `test_`, a subject, a verb and what follows: fewer than three words say no sentence.
    wordy = re.compile(r"^test_[a-z0-9]+(_[a-z0-9]+){2,}$")
    assert [f"{place} {name}" for place, name in names if not wordy.match(name)] == []


def test_no_test_sleeps() -> None:
    """Who waits looks for a condition (tests/support/waiting.py), whose pause proves nothing."""
    sleeping = [
        f"{relative(path)}:{node.lineno}"
        for path in python_files("tests")
        for node in nodes_of(path)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep")
        or (isinstance(node, ast.ImportFrom) and node.module == "time" and "sleep" in names(node))
    ]

    assert sleeping == []


def names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import of a Python file; of `from a import b` a and a.b."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_no_test_module_imports_another_test_module() -> None:
    """What two of them need stands in tests/support, or in a conftest, which pytest hands out."""
    imports = [
        (f"{relative(path)}:{line} {module}", module.split("."))
        for path in python_files("tests")
        for line, module in imported_modules(path)
    ]

    assert any(parts[:2] == ["tests", "support"] for _, parts in imports), "nothing was examined"
    assert [
        place
        for place, parts in imports
        if parts[0] == "tests" and any(p.startswith("test_") or p == "conftest" for p in parts)
    ] == []


def test_support_knows_no_folder_of_tests() -> None:
    upward = [
        f"{relative(path)}:{line} {module}"
        for path in python_files("tests")
        if relative(path).parts[1] == "support"
        for line, module in imported_modules(path)
        if module.startswith("tests.") and not module.startswith("tests.support")
    ]

    assert upward == []


HTTP_CLIENTS: Final = ("urllib3", "requests", "urllib.request", "http.client")
# Everybody else speaks through tests/support/http_client.py, or writes bytes to a socket.
OWN_HTTP_CLIENT: Final = {
    "tests/support/honest_client.py": "schemathesis hands its hooks requests' own objects",
    "tests/integration/whole_stack/test_broken_connections.py": "the runtime's client is on trial",
    "tests/integration/stripe_twin/test_twin_crash.py": "ten thousand charges should be over soon",
}


def test_tests_speak_http_through_one_client() -> None:
    others = {
        str(relative(path))
        for path in python_files("tests")
        for _, module in imported_modules(path)
        if any(f"{module}.".startswith(f"{client}.") for client in HTTP_CLIENTS)
    }

    assert others - set(OWN_HTTP_CLIENT) == set()


def test_no_test_replaces_our_code_by_a_mock() -> None:
    mocking = re.compile(
        r"^\s*(from|import) unittest\.moc[k]\b|^\s*from unittest import .*\bmoc[k]\b"
    )

    assert [place for place in lines_matching(mocking) if place.startswith("tests/")] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert re.findall(r"https?://|file:|--(?:extra-)?index-url|--find-links", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_every_requirement(lock: str) -> None:
    blocks = requirements_of(lock)

    unpinned = [block.split()[0] for block in blocks if not LOCKED_REQUIREMENT.match(block)]
    unhashed = [
        block.split()[0]
        for block in blocks
        if not re.search(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)", block)
    ]

    assert blocks, f"{lock} is empty, so nothing was examined"
    assert unpinned == []
    assert unhashed == []


def test_both_locks_agree_on_every_version() -> None:
    locked, locked_dev = (versions_of(lock) for lock in LOCKS)

    assert {name: v for name, v in locked.items() if locked_dev.get(name) != v} == {}


def requirements_of(lock: str) -> list[str]:
    """One string per requirement, its continuation lines joined."""
    joined = (ROOT / lock).read_text().replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def versions_of(lock: str) -> dict[str, str]:
    """Name and markers of each requirement, to its version."""
    versions = {}
    for block in requirements_of(lock):
        requirement = block.split(" --hash")[0].strip()
        match = LOCKED_REQUIREMENT.match(requirement)
        assert match, f"{lock}: {requirement!r} is not pinned"
        versions[requirement.replace(f"=={match[2]}", "")] = match[2]
    return versions


def test_no_file_names_a_package_registry() -> None:
    assert lines_matching(REGISTRY_HOST) == []


def test_no_file_contains_a_path_of_the_machine_it_was_written_on() -> None:
    assert lines_matching(FOREIGN_PATH) == []


def test_no_file_contains_what_looks_like_a_live_stripe_key() -> None:
    assert lines_matching(LIVE_STRIPE_KEY) == []


def decisions() -> list[Path]:
    return sorted(path for path in (ROOT / "decisions").glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("path", decisions(), ids=lambda path: path.stem)
def test_a_decision_is_short_and_has_every_section(path: Path) -> None:
    lines = path.read_text().splitlines()
    number = path.name[:4]

    sections = [line.removeprefix("## ") for line in lines if line.startswith("## ")]

    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", path.name)
    assert lines[0].startswith(f"# {number}. ")
    assert sections == DECISION_SECTIONS
    assert len(lines) <= DECISION_LINES_MAX


def test_no_two_decisions_have_one_number() -> None:
    numbers = [int(path.name[:4]) for path in decisions()]

    assert numbers, "no decision was found, so nothing was examined"
    assert len(set(numbers)) == len(numbers)


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert sections[0] == "[Unreleased]"


def test_the_ci_command_can_be_executed() -> None:
    mode = (ROOT / ".ci" / "run").stat().st_mode

    assert mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH) == 0o111


def test_the_pure_parts_are_held_to_purity_once_they_exist() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    held = contracts["importlinter:contract:pure-core"]["source_modules"].split()

    parts = ("runtime.domain", "bookpayctl.judge.invariants", "bookpayctl.report")
    there = [part for part in parts if exists(part)]

    assert "runtime.domain" in there, "the domain was not found, so nothing was examined"
    assert [part for part in there if part not in held] == []


def exists(module: str) -> bool:
    """Whether a module or a package of that dotted name is in the tree."""
    path = ROOT.joinpath(*module.split("."))
    return (path / "__init__.py").is_file() or path.with_suffix(".py").is_file()
