"""A process that asks a broker about a group while its connections are cut again and again.

`python -m tests.support.asking_while_cut SERVERS GROUP TOPIC`: asks until it has been answered, and
cut, often enough, and prints how many answers it got of each kind. An assertion of librdkafka's
ends the process, which is what its parent looks for.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bookpayctl.clients import kafka
from bookpayctl.clients.kafka_servers import KafkaServers
from runtime.adapters.kafka_admin import GroupAdmin
from runtime.faults.connections import sockets_to

ASKING_SECONDS_MIN = 30.0
ANSWERS_MIN = {"members": 100, "look": 1, "offsets": 1, "silent": 1}
OTHER_QUESTIONS_EACH = 25

# At once, and not after the services' patience: the request that is freed too early is one that was
# about to be sent when its connection went.
QUICK = {"log_level": 0, "reconnect.backoff.ms": 1, "reconnect.backoff.max.ms": 20}


def cut_until(stop: threading.Event, address: tuple[str, int]) -> None:
    """Cut every connection of this process to the broker, at moments that repeat nowhere."""
    rng = random.Random(1)
    while not stop.wait(rng.uniform(0.0, 0.05)):
        for connection in sockets_to({address}):
            with connection:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def count(ask: Callable[[], object], answers: Counter[str], name: str) -> None:
    try:
        ask()
        answers[name] += 1
    except KafkaException:
        answers["silent"] += 1


def main(servers: str, group: str, topic: str) -> None:
    asked = KafkaServers(servers)
    host, _, port = servers.partition(":")
    stop, answers = threading.Event(), Counter[str]()
    admin = GroupAdmin(servers, "asking", group)
    admin._client = AdminClient({"bootstrap.servers": servers, **QUICK})
    threading.Thread(target=cut_until, args=(stop, (host, int(port))), daemon=True).start()
    began_at = time.monotonic()
    # However slow the machine is: its parent's patience is what ends it then.
    while time.monotonic() - began_at < ASKING_SECONDS_MIN or any(
        answers[kind] < number for kind, number in ANSWERS_MIN.items()
    ):
        count(admin.members, answers, "members")
        if answers["members"] % OTHER_QUESTIONS_EACH == 0:
            count(lambda: admin.look([topic]), answers, "look")
            count(lambda: kafka.group_offsets(asked, group, [(topic, 0)]), answers, "offsets")
    stop.set()
    sys.stdout.write(" ".join(f"{name}={number}" for name, number in sorted(answers.items())))


if __name__ == "__main__":
    main(*sys.argv[1:])
