"""A member of a consumer group as a process of its own, which can die in the middle of a rebalance.

Run as `python -m tests.support.group_member SERVERS GROUP NAME TOPICS [dies]`; topics are separated
by commas.
"""

from __future__ import annotations

import os
import sys

from confluent_kafka import Consumer, TopicPartition

from runtime.adapters import kafka

KILLED = 137
"""Its exit code when it ends as if it were killed."""


def main(servers: str, group: str, name: str, topics: str, *dies: str) -> None:
    def revoked(_client: Consumer, _places: list[TopicPartition]) -> None:
        if dies:
            os._exit(KILLED)

    client, _ = kafka.consumer(servers, group, name, instance_id=name, on_error=lambda _error: None)
    client.subscribe(topics.split(","), on_revoke=revoked, on_lost=revoked)
    while True:
        client.poll(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
