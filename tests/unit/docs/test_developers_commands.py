"""What CONTRIBUTING.md has a developer type names tests, sessions and sabotages that there are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.catalogue import by_id
from tests.support.console_blocks import console_blocks

ROOT = Path(__file__).resolve().parents[3]

STORMS = ".venv/bin/bookpayctl drill storm --seed 1 --repeat 10 --duration 12m"

# Nothing of these is chosen by the page; test_pages.py finds their targets and sessions.
WHOLE = {
    *("make setup", "make test", ".venv/bin/python -m docs.generate", "git diff tests/golden"),
    # tests/acceptance/test_documented_commands.py types what these do, or more.
    *(".venv/bin/bookpayctl up", ".venv/bin/bookpayctl drill list"),
    ".venv/bin/bookpayctl check --only BP-C001",
    ".venv/bin/bookpayctl drill run outage --at kafka --plan",
    # An hour or two each; tests/acceptance/test_drills.py and test_storms.py do what these do.
    ".venv/bin/bookpayctl drill run --all --repeat 3 --report html=drills.html",
    f"{STORMS} --strict --report html=storms.html",
}
RUNS_TESTS = re.compile(
    r"(?:BOOKPAY_RENEW_GOLDENS=1 )?\.venv/bin/"
    r"(?:python -m pytest|nox -s (?P<session>busy|crash_matrix) --)"
    r"(?: (?P<path>tests/\S+))?(?: -k (?P<word>\w+))?"
)
TRIES_SABOTAGES = re.compile(r"\.venv/bin/nox -s mutants -- (?:--by-tool )?(?P<ids>[M\d ]+)")


def developers_commands() -> Iterator[str]:
    for block in console_blocks():
        if block.page == "CONTRIBUTING.md":
            yield from block.commands


def test_every_line_is_one_of_a_kind_that_is_tried_here() -> None:
    lines = list(developers_commands())

    assert len(lines) > 12
    assert [
        line
        for line in lines
        if line not in WHOLE and not RUNS_TESTS.fullmatch(line) and not TRIES_SABOTAGES.match(line)
    ] == []


def test_every_choice_of_tests_chooses_some() -> None:
    chosen = {
        (found["path"] or f"tests/{found['session']}", found["word"] or "")
        for line in developers_commands()
        if (found := RUNS_TESTS.fullmatch(line))
    }
    paths = sorted({path for path, _ in chosen})
    collect = ["--collect-only", "-q", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *collect, *paths],
        cwd=ROOT,
        # As the session has it: without it a commit's sample is collected.
        env={**os.environ, "BOOKPAY_CRASH_MATRIX": "all"},
        capture_output=True,
        text=True,
        check=False,
    )
    there = done.stdout.splitlines()

    assert done.returncode == 0, done.stdout
    assert len(chosen) > 4
    assert [
        (path, word)
        for path, word in chosen
        if not any(name.startswith(path) and word.lower() in name.lower() for name in there)
    ] == []


def test_every_sabotage_that_is_named_exists() -> None:
    tried = [
        found["ids"] for line in developers_commands() if (found := TRIES_SABOTAGES.match(line))
    ]

    assert len(tried) == 2
    assert all(by_id(ids.split()) for ids in tried)
