"""Evidence is read exactly: supervisor's log, publisher terms, signatures, plans, digests."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bookpayctl.checks.outbox_table import planner_settings, with_numbered_parameters
from bookpayctl.checks.single_publisher import PublisherTerm, late_records
from bookpayctl.checks.webhook_signature import deliveries
from bookpayctl.clients.kafka import LogRecord
from bookpayctl.forgery.signing import stripe_signature
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.local.supervise.endings import parse_log
from bookpayctl.targets.target import ProcessEnd
from bookpayctl.trace.timeline import TimelineEvent, timeline
from tests.support import judged_shop as shop

SUPERVISOR_LOG = """\
2026-11-22 18:51:36,018 WARN exited: payments-worker-0 (exit status 137; not expected)
2026-11-22 18:51:37,020 INFO spawned: 'payments-worker-0' with pid 25851
2026-11-22 18:51:38,021 INFO success: payments-worker-0 entered RUNNING state
2026-11-22 18:52:00,000 WARN exited: notifier (terminated by SIGKILL; not expected)
"""


def test_an_exit_status_and_the_new_pid_are_read_from_the_log() -> None:
    seen = parse_log(SUPERVISOR_LOG)

    assert seen.ends_of("payments-worker-0") == [ProcessEnd("payments-worker-0", 137, None)]
    assert seen.starts_of("payments-worker-0") == ["25851"]


def test_a_signal_is_not_an_exit_status() -> None:
    assert parse_log(SUPERVISOR_LOG).ends_of("notifier") == [
        ProcessEnd("notifier", None, "SIGKILL")
    ]


def record(event_id: str, term: int, seconds: float) -> LogRecord:
    headers = {"event_id": event_id, "publisher_term": str(term)}
    return LogRecord("orders.placed", 0, 0, "k", headers, {}, shop.at(seconds))


TERMS = [
    PublisherTerm(1, "outbox-publisher-0", 10, shop.at(0), shop.at(5)),
    PublisherTerm(2, "outbox-publisher-1", 11, shop.at(6), None),
]


def test_a_record_of_an_old_leader_after_the_new_one_began_is_late() -> None:
    in_time, late = record("a", 1, 5.5), record("b", 1, 7.0)

    assert late_records([in_time, late, record("c", 2, 8.0)], TERMS) == [late]


def test_a_record_without_a_term_is_not_judged() -> None:
    plain = LogRecord("orders.placed", 0, 0, "k", {}, {}, shop.at(9))

    assert late_records([plain], TERMS) == []


def test_a_signature_is_stripes() -> None:
    # printf '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac secret
    expected = "fd87bb560d5be38a3736e069e26b921d4a6358eca72432402e4a2d8b62f4940a"

    header = stripe_signature(b'{"id":"evt_1"}', secret="secret", at=1492774577)

    assert header == f"t=1492774577,v1={expected}"


def test_the_control_is_sent_last_and_only_it_is_to_be_accepted() -> None:
    sent = deliveries(secret="whsec_x", now=1_000_000, marker="m")

    assert [delivery.status for delivery in sent] == [400, 400, 400, 200]
    assert sent[0].signature is None
    assert sent[1].signature == "t=1700000000,v1=deadbeef"
    assert sent[2].signature is not None
    assert sent[2].signature.startswith("t=999400,")
    assert sent[3].name == "control"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 LIMIT %(n)s", "SELECT 1 LIMIT $1"),
        ("a = %(x)s AND b = %(y)s AND c = %(x)s", "a = $1 AND b = $2 AND c = $1"),
        ("SELECT 1 LIMIT $1", "SELECT 1 LIMIT $1"),
    ],
)
def test_a_drivers_parameters_become_the_servers(statement: str, expected: str) -> None:
    assert with_numbered_parameters(statement) == expected


def test_only_switches_of_the_planner_are_taken_over_from_a_publisher() -> None:
    lines = "enable_seqscan=off\nenable_sort=on\nwork_mem=1GB\nenable_x=off; DROP TABLE outbox\n"

    assert planner_settings(lines) == {"enable_seqscan": "off", "enable_sort": "on"}


def test_a_story_is_told_in_time_order_with_its_gaps() -> None:
    later = TimelineEvent(shop.at(0.25), "kafka", "record", "")
    entries = timeline([later, TimelineEvent(shop.at(0), "postgres", "order written", "")])

    assert [entry.event.what for entry in entries] == ["order written", "record"]
    assert [entry.gap_ms for entry in entries] == [None, 250.0]
    assert entries[1].event.at - entries[0].event.at == timedelta(milliseconds=250)


def test_waiting_ends_at_the_deadline_with_the_last_answer() -> None:
    answers = iter(range(1_000_000))

    waited = wait_until(
        lambda: next(answers), lambda n: n < 0, deadline_seconds=0.02, every_seconds=0.001
    )

    assert not waited.reached
    assert waited.attempts > 1
    assert waited.value == waited.attempts - 1


def test_waiting_asks_at_least_once() -> None:
    waited = wait_until(lambda: 7, lambda n: n == 7, deadline_seconds=0.0)

    assert waited.reached
    assert waited.attempts == 1
