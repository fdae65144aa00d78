"""The tool tried by itself: what is wrong on purpose is found out, and nothing of it stays."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine, verdicts
from tests.support.temporary_folders import left_empty

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

GOODBYE_SECONDS_MAX = 240.0


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the stacks are made."""
    with left_empty(monkeypatch) as folder:
        yield folder


@pytest.fixture
def shell(tmp_path: Path, temporary: Path) -> CommandLine:
    """A folder of environments without any."""
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, seconds_max=800)


def test_checks_find_out_what_is_wrong_and_say_where_nobody_could(shell: CommandLine) -> None:
    chosen = [word for one in ("BP-C004", "BP-O004", "BP-O008") for word in ("--only", one)]

    document = shell.ask("check", "--selftest", *chosen)

    assert document["exit"]["code"] == 0
    assert document["context"] == {"asked": "check", "controls": "3"}
    assert verdicts(document) == {
        "control/dead-letter-nobody-saw": "holds",
        "control/no-signature-check": "holds",
        "control/none-for-BP-O008": "skipped",
    }
    assert not any(shell.home.iterdir())


def test_a_selftest_that_is_stopped_takes_its_stack_down(
    shell: CommandLine, temporary: Path
) -> None:
    with shell.begin("check", "--selftest", "--only", "BP-C004", "-o", "json") as asking:
        begun = wait_until(
            lambda: list(temporary.glob("bookpay-selftest-*/home/selftest/logs/*")),
            bool,
            deadline_seconds=GOODBYE_SECONDS_MAX,
        )
        assert begun.reached
        asking.send_signal(signal.SIGINT)
        code = asking.wait(GOODBYE_SECONDS_MAX)

    assert code == 130
