"""What a look becomes: lines that fit, one line for a log, and a document that hides nothing."""

from __future__ import annotations

import json
from dataclasses import replace

from bookpayctl.cli.commands.watch import glance_document
from bookpayctl.cli.watch_view import one_line, view
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.status import UnknownFact
from bookpayctl.watch.glance import Glance, services_in
from tests.support.glance import AT, GLANCE, NO_ANSWER, STATUS, WELL, process

DOWN = tuple(
    replace(one, state="stopped", pid=None, ready=UnknownFact("nobody listens")) for one in WELL
)


def shown(glance: Glance, width: int = 120) -> str:
    return "\n".join(view(glance, width=width))


def test_everything_that_was_seen_has_its_line() -> None:
    text = shown(GLANCE)

    assert text.splitlines()[0].split() == ["shop:", "not", "everything", "answers", "12:30:15"]
    for part in (
        "12.3/s placed  11.0/s paid  0.2/s given back   p50 92 ms  p99 181 ms",
        "13.0/s answered  4 refused  3 unanswered   p50 -  p99 -",
        "5 unpublished, the oldest for 1m06s",
        "outbox-publisher-1, term 3, for 3m10s",
        "unknown 2 (1m15s)",
        "dead letters 1 (2h01m)",
        "outage 20260301-x: running",
        "12:30:15 payments-worker-0: exit at worker.polled_before_inbox",
    ):
        assert part in text
    assert "refunds failed" not in text


def test_services_are_together_and_who_ails_says_why() -> None:
    ailing = process("notifier", "notifier", ready=False, detail="kafka", lag=UnknownFact("mute"))

    publishers, workers, notifier = services_in((*WELL, ailing))

    assert (publishers.ready, publishers.processes, publishers.restarts) == (2, 2, 2)
    assert (workers.lag, workers.restarts) == (7, 0)
    assert (notifier.ready, notifier.ailing) == (0, ("notifier not ready: kafka",))
    assert notifier.lag == UnknownFact("mute")


def test_no_line_is_longer_than_the_terminal_and_none_is_two() -> None:
    unknown = replace(STATUS, leader=NO_ANSWER, open_payments=NO_ANSWER, waiting=NO_ANSWER)

    for width in (20, 80, 120):
        lines = view(Glance(AT, unknown, NO_ANSWER), width=width)
        assert max(map(len, lines)) <= width
        assert not [line for line in lines if "\n" in line or "\t" in line]


def test_a_stack_that_is_down_is_one_short_line_in_a_log() -> None:
    line = one_line(Glance(AT, replace(STATUS, processes=DOWN), NO_ANSWER))

    assert line.startswith("12:30:15 something is down; the database does not say")
    assert "\n" not in line
    assert line.endswith("payments-worker-0 stopped; and 1 more")


def test_a_log_has_what_changes_most() -> None:
    assert one_line(replace(GLANCE, status=replace(STATUS, processes=WELL[:3]))) == (
        "12:30:15 all healthy; placed 12.3/s paid 11.0/s p50 92 ms p99 181 ms; unpublished 5;"
        " open unknown 2 (1m15s)"
    )


def test_the_document_has_an_unknown_with_its_reason_and_the_code_of_status() -> None:
    document = glance_document(Glance(AT, replace(STATUS, leader=None), NO_ANSWER))
    body = json.loads(document.to_json())

    assert document.code is ExitCode.VIOLATED
    assert body["pace"] == {"unknown": NO_ANSWER.reason}
    assert body["at"] == "2026-03-01T12:30:15+00:00"
    assert json.loads(glance_document(GLANCE).to_json())["pace"]["paid"]["p99_ms"] == 181.0
