"""Asking a broker about groups outlives every connection that is cut under it.

librdkafka can end the process there, by an assertion that no `except` sees: the question is asked
in a process of its own, whose end is looked at.
"""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.adapters.kafka_assignment import places_of
from tests.support.asking_while_cut import ANSWERS_MIN
from tests.support.waiting import eventually

PATIENCE_SECONDS = 600


@pytest.mark.timeout(900)
def test_a_process_that_asks_while_its_connections_are_cut_lives_on(
    bootstrap_servers: str,
) -> None:
    topic = f"cut-{uuid4()}"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(30)
    group = f"group-{topic}"
    member = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group})
    member.subscribe([topic])

    def has_joined() -> bool:
        member.poll(0.1)
        return bool(member.assignment())

    eventually(has_joined, "the group has a member")

    asked = subprocess.run(
        [sys.executable, "-m", "tests.support.asking_while_cut", bootstrap_servers, group, topic],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    member.close()

    assert asked.returncode == 0, asked.stderr[-2000:]
    counted = dict(word.split("=") for word in asked.stdout.split())
    # It was answered between the cuts, and cut between the answers.
    assert all(int(counted[kind]) >= number for kind, number in ANSWERS_MIN.items()), counted


ASSIGNED = (
    b"\x00\x01"
    b"\x00\x00\x00\x01"
    b"\x00\x0dorders.placed"
    b"\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02"
    b"\xff\xff\xff\xff"
)


def test_an_assignment_is_read_from_its_bytes() -> None:
    assert places_of(ASSIGNED) == {("orders.placed", 0), ("orders.placed", 2)}
    assert places_of(b"") == set()


@pytest.mark.parametrize("length", [1, 5, 9, 20, 24, 30])
def test_an_assignment_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="cut short"):
        places_of(ASSIGNED[:length])
