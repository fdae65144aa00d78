"""What a process says about itself: one line per outage, one object per line, true readiness."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Iterator

import pytest

from runtime.adapters.http.admin import readiness_answer
from runtime.domain.retry import Backoff
from runtime.faults.points import Failpoint
from runtime.lifecycle import Lifecycle, Readiness, repeat
from runtime.telemetry import REPEAT_SECONDS, JsonFormatter, Outage

logger = logging.getLogger("runtime.test")


class Kept(logging.Handler):
    """Keeps every record it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    kept = Kept()
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept.records
    logger.removeHandler(kept)


def test_a_thousand_failures_of_one_outage_are_one_line(lines: list[logging.LogRecord]) -> None:
    outage = Outage(logger, "PostgreSQL")

    for _ in range(1000):
        outage.failed(OSError("refused"))

    assert [line.getMessage() for line in lines] == [
        "PostgreSQL is unavailable; trying again until it is back"
    ]


def test_an_outage_that_goes_on_is_said_again_after_a_minute(
    lines: list[logging.LogRecord],
) -> None:
    outage = Outage(logger, "PostgreSQL")
    outage.failed(OSError("refused"))

    outage._last_logged -= REPEAT_SECONDS
    outage.failed(OSError("refused"))

    assert [getattr(line, "failures", None) for line in lines] == [1, 2]


def test_the_end_of_an_outage_is_said_once_with_its_count(lines: list[logging.LogRecord]) -> None:
    outage = Outage(logger, "PostgreSQL")
    outage.failed(OSError("refused"))
    outage.failed(OSError("refused"))

    outage.recovered()
    outage.recovered()

    assert [line.getMessage() for line in lines[1:]] == ["PostgreSQL is back"]
    assert lines[1].__dict__["failures"] == 2


def test_a_success_without_an_outage_is_no_news(lines: list[logging.LogRecord]) -> None:
    Outage(logger, "PostgreSQL").recovered()

    assert lines == []


def test_a_second_outage_is_told_from_its_beginning(lines: list[logging.LogRecord]) -> None:
    outage = Outage(logger, "PostgreSQL")
    outage.failed(OSError("refused"))
    outage.recovered()

    outage.failed(OSError("refused"))

    assert (len(lines), lines[2].__dict__["failures"]) == (3, 1)


def test_an_error_is_logged_by_its_first_line_only(lines: list[logging.LogRecord]) -> None:
    Outage(logger, "PostgreSQL").failed(OSError("refused\nIs the server running?"))

    assert lines[0].__dict__["error"] == "OSError: refused"


def test_a_log_line_is_one_json_object_whatever_it_says() -> None:
    record = logging.makeLogRecord(
        {"msg": "line\nbreak \u202e %s", "args": ("x",), "levelname": "INFO", "order_id": "ord_1"}
    )

    text = JsonFormatter("payments-worker", "worker-0").format(record)

    assert "\n" not in text
    assert text.isascii()
    line = json.loads(text)
    assert (line["msg"], line["order_id"]) == ("line\nbreak \u202e x", "ord_1")
    assert (line["service"], line["process"]) == ("payments-worker", "worker-0")


def test_a_process_is_ready_when_every_condition_holds() -> None:
    readiness = Readiness()
    readiness.expect("database", "gateway")
    readiness.set("database", True)

    before = readiness_answer(readiness.snapshot)
    readiness.set("gateway", True)
    after = readiness_answer(readiness.snapshot)

    assert before[0] == 503
    assert json.loads(before[1])["checks"] == {"database": True, "gateway": False}
    assert after[0] == 200


def test_a_loop_survives_what_it_can_answer_and_ends_on_stop() -> None:
    lifecycle, told = Lifecycle(), list[str]()
    outcomes = iter([OSError("away"), OSError("away"), None])

    def step() -> float:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        lifecycle.stop.set()
        return 0.0

    repeat(
        step,
        stop=lifecycle.stop,
        backoff=Backoff(0.001, 1.0, 0.001),
        rng=random.Random(1),
        recoverable=(OSError,),
        on_failure=lambda error: told.append("failed"),
        on_success=lambda: told.append("ended well"),
    )

    assert told == ["failed", "failed", "ended well"]


def test_a_loop_does_not_swallow_what_it_cannot_answer() -> None:
    def broken() -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        repeat(
            broken,
            stop=threading.Event(),
            backoff=Backoff(0.001, 1.0, 0.001),
            rng=random.Random(1),
            recoverable=(OSError,),
            on_failure=lambda error: None,
            on_success=lambda: None,
        )


def test_there_are_27_failpoints_with_stable_names() -> None:
    assert len(set(Failpoint)) == 27
    assert {"publisher.acked_before_mark", "worker.attempt_durable_before_psp"} <= set(Failpoint)
