"""No partition is left to nobody when a member dies between giving partitions up and joining again.

A static member that comes back gets what it had, without a rebalance. If partitions change hands in
two steps, and the member that gave some up dies before the second one, nobody has them ever after,
in a group that the broker calls stable.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.adapters.kafka_admin import GroupAdmin
from runtime.domain.group import Place
from tests.support.group_member import KILLED
from tests.support.waiting import eventually

PARTITIONS = 3


@contextmanager
def member(servers: str, group: str, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.group_member", servers, group, name, *words],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_member_that_dies_while_it_gives_partitions_up_leaves_none_to_nobody(
    bootstrap_servers: str,
) -> None:
    group = f"group-{uuid4()}"
    topics = [f"placed-{group}", f"cancelled-{group}"]
    broker = AdminClient({"bootstrap.servers": bootstrap_servers})
    for made in broker.create_topics([NewTopic(t, PARTITIONS, 1) for t in topics]).values():
        made.result(30)
    admin = GroupAdmin(bootstrap_servers, "test", group)
    every = {(topic, n) for topic in topics for n in range(PARTITIONS)}

    def given(*, to: int) -> set[Place] | None:
        """What so many members read between them, once the group is in no rebalance."""
        try:
            is_settled, found = admin.members()
        except KafkaException:
            # The broker is still reading what it knows of groups.
            return None
        if not is_settled or len(found) != to:
            return None
        return set[Place]().union(*found.values())

    words = (",".join(topics),)
    with member(bootstrap_servers, group, "first", *words, "dies") as first:
        eventually(lambda: given(to=1) == every, "the first member reads everything")
        with member(bootstrap_servers, group, "second", *words):
            eventually(lambda: first.poll() is not None, "the first member gives partitions up")
            assert first.returncode == KILLED
            with member(bootstrap_servers, group, "first", *words):
                eventually(
                    lambda: given(to=2) == every,
                    lambda: f"every partition is somebody's; now {admin.members()}",
                )
