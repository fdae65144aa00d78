"""`bench` as it is typed: each suite measures, and nothing of it stays, however it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine
from tests.support.temporary_folders import left_empty, running_from

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

GOODBYE_SECONDS_MAX = 240.0


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where servers and stacks are made."""
    with left_empty(monkeypatch) as folder:
        yield folder


@pytest.fixture
def shell(tmp_path: Path, temporary: Path) -> CommandLine:
    return CommandLine(tmp_path / "home", seconds_max=800)


@pytest.mark.parametrize(
    ("words", "figure"),
    [
        ("publisher --only ours-poll --rows 1000 --seconds 1", "rows_per_second"),
        ("replay --rows 3000", "records_per_second"),
        ("orders --only poll --seconds 2", "p50_ms"),
    ],
)
def test_a_suite_prints_one_document(shell: CommandLine, words: str, figure: str) -> None:
    done = shell.run("bench", *words.split(), "--rounds", "1", "-o", "json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["exit"] == {"code": 0, "reason": "measured"}
    assert document["contenders"]
    assert all(one["medians"][figure]["median"] > 0 for one in document["contenders"])


def test_what_it_started_ends_with_it(shell: CommandLine, temporary: Path) -> None:
    with shell.begin("bench", "publisher", "--only", "ours-poll", "-o", "json") as bench:
        begun = wait_until(
            lambda: " ".join(running_from(temporary)),
            lambda lines: "postgres" in lines,
            deadline_seconds=GOODBYE_SECONDS_MAX,
        )
        assert begun.reached, begun

        bench.send_signal(signal.SIGTERM)
        out, _ = bench.communicate(timeout=GOODBYE_SECONDS_MAX)

    assert bench.returncode == 128 + signal.SIGTERM
    assert json.loads(out)["exit"]["code"] == 128 + signal.SIGTERM
    assert running_from(temporary) == []


def test_what_cannot_be_measured_is_a_sentence(
    shell: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BOOKPAY_CACHE", str(tmp_path / "file"))

    done = shell.run("bench", "--only", "ours-poll", "-o", "json")

    assert done.returncode == 3
    assert json.loads(done.stdout)["exit"]["code"] == 3
    assert "Traceback" not in done.stderr
    assert "error: publisher could not be measured: " in done.stderr
