"""Whether a part answers, asked once. Waiting is the caller's business.

Nothing here raises for a part that is down: down is an answer.
"""

from __future__ import annotations

import json
import smtplib
import socket
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bookpayctl.clients.database import DatabaseError, connect
from bookpayctl.clients.http import ask

ASK_SECONDS_MAX: Final = 3.0
"""Of one who waits and asks again."""

ASK_ONCE_SECONDS_MAX: Final = 10.0
"""Of one who asks once and says what came of it: the machine may be busy."""


@dataclass(frozen=True, slots=True)
class ReadinessAnswer:
    """What /readyz said.

    Attributes:
        ready: True, False, or None when nobody answered.
        detail: the checks that failed, or why there was no answer.
    """

    ready: bool | None
    detail: str = ""


def postgres_answers(dsn: str, *, seconds: float = ASK_SECONDS_MAX) -> bool:
    """Whether a session can be opened at `dsn`."""
    try:
        # Whole seconds, at least 2: libpq takes less for 2 anyway.
        connect(dsn, timeout_seconds=max(2, int(seconds))).close()
    except DatabaseError:
        return False
    return True


def kafka_answers(bootstrap_servers: str, *, seconds: float = ASK_SECONDS_MAX) -> bool:
    """Whether a broker there answers with its metadata."""
    if not accepts(bootstrap_servers):
        return False
    # log_level 0: while the broker starts, a refused connection is expected, not worth a line.
    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        client.list_topics(timeout=seconds)
    except KafkaException:
        return False
    return True


def listens(port: int) -> bool:
    """Whether anything takes a connection on 127.0.0.1."""
    return accepts(f"127.0.0.1:{port}")


def accepts(bootstrap_servers: str) -> bool:
    """Whether the first server takes a connection: known at once, where a client would wait."""
    host, _, port = bootstrap_servers.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), ASK_SECONDS_MAX).close()
    except OSError:
        return False
    return True


def smtp_answers(port: int, *, seconds: float = ASK_SECONDS_MAX) -> bool:
    """Whether a mail server greets us on 127.0.0.1."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=seconds) as client:
            return client.noop()[0] == 250  # RFC 5321: action completed
    except (OSError, smtplib.SMTPException):
        return False


def http_readiness(port: int, *, seconds: float = ASK_SECONDS_MAX) -> ReadinessAnswer:
    """Ask a service on 127.0.0.1 whether it is ready."""
    answer = ask("GET", f"http://127.0.0.1:{port}/readyz", timeout_seconds=seconds)
    if answer.status is None:
        return ReadinessAnswer(None, f"no answer: {answer.error}")
    if answer.ok:
        return ReadinessAnswer(True)
    return ReadinessAnswer(False, _failed_checks(answer.body) or f"HTTP {answer.status}")


def connector_readiness(
    port: int, name: str, *, seconds: float = ASK_SECONDS_MAX
) -> ReadinessAnswer:
    """Ask a Kafka Connect worker on 127.0.0.1 whether a connector and all its tasks run.

    Source:
        Kafka's documentation, Kafka Connect, REST API: GET /connectors/{name}/status.
    """
    url = f"http://127.0.0.1:{port}/connectors/{name}/status"
    answer = ask("GET", url, timeout_seconds=seconds)
    if answer.status is None:
        return ReadinessAnswer(None, f"no answer: {answer.error}")
    if not answer.ok:
        return ReadinessAnswer(False, f"connector {name}: HTTP {answer.status}")
    try:
        document = json.loads(answer.body)
        parts = [document["connector"], *document["tasks"]]
        states = [str(part["state"]) for part in parts]
        traces = [str(part["trace"]).splitlines()[0] for part in parts if part.get("trace")]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return ReadinessAnswer(False, f"connector {name}: its status cannot be read ({error!r})")
    if len(states) > 1 and set(states) == {"RUNNING"}:
        return ReadinessAnswer(True)
    return ReadinessAnswer(False, "; ".join([f"connector and tasks: {states}", *traces]))


def _failed_checks(body: bytes) -> str:
    """The checks in a /readyz body that do not hold, `name: reason`; only names where none is."""
    try:
        document = json.loads(body)
        reasons = document.get("reasons", {})
        failed = [name for name, holds in document["checks"].items() if holds is not True]
        return "; ".join(f"{name}: {reasons[name]}" if name in reasons else name for name in failed)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
