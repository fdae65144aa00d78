"""A certificate of a fresh stack holds, and that of one which is wrong on purpose does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import runtime
from bookpayctl.controls.catalogue import WRONG_STACKS
from bookpayctl.controls.edit import apply
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.children import MODULES_VARIABLE
from tests.support.command_line import CommandLine, verdicts

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not os.environ.get("BOOKPAY_SMOKE"),
        reason="set BOOKPAY_SMOKE=1: a certificate takes five minutes and more",
    ),
]


@pytest.fixture
def wrong_modules(tmp_path: Path) -> Path:
    """The runtime with a receiver that checks no signature."""
    modules = tmp_path / "modules"
    shutil.copytree(Path(runtime.__file__).parent, modules / "runtime")
    apply(modules, next(c for c in WRONG_STACKS if c.name == "no-signature-check").edits)
    return modules


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / ".bookpay"
    yield made
    assert CommandLine(made).run("down", "--purge").returncode == 0


def test_a_fresh_stack_is_certified_by_a_smoke_test(home: Path, tmp_path: Path) -> None:
    shop = CommandLine(home, seconds_max=1800)

    document = shop.ask("certify", "--profile", "smoke", "--report", f"junit={tmp_path}/c.xml")

    assert document["exit"]["code"] == ExitCode.PASS
    assert (document["context"]["asked"], document["context"]["left_out"]) == ("8", "0")
    found = verdicts(document)
    for item in ("BP-C006", "crash-mid-charge/at-psp.response_before_persist", "I10", "R01"):
        assert found[item] == "holds"
    assert found["runbook/outbox-publisher-not-leading"] == "holds"
    suite = (tmp_path / "c.xml").read_text()
    assert ('failures="0"' in suite, 'errors="0"' in suite) == (True, True)


def test_a_stack_that_checks_no_signature_is_not_certified_however_short_the_time(
    home: Path, tmp_path: Path, wrong_modules: Path
) -> None:
    summary = tmp_path / "summary.md"
    variables = {MODULES_VARIABLE: str(wrong_modules), "GITHUB_STEP_SUMMARY": str(summary)}
    shop = CommandLine(home, {**variables, "GITHUB_ACTIONS": "true"}, seconds_max=1800)

    done = shop.run("certify", "--budget", "100s")

    assert done.returncode == ExitCode.VIOLATED
    assert done.stdout.startswith("NOT CERTIFIED: the budget of 100 s left out ")
    assert "::error file=docs/judge.md,line=" in done.stderr
    assert "BP-C004" in summary.read_text()
