"""Kafka's clients as this tool opens them, and why one that gets no answer gets none.

librdkafka says that time ran out. A refused password it tells to whoever listens beside; of a wrong
authority, a wrong name or TLS where there is none it says little or nothing, so after a failure the
first server is looked at once by ourselves. What failed is raised with that and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from bookpayctl.clients.kafka_look import seen_of
from bookpayctl.clients.kafka_servers import KafkaServers

REQUEST_TIMEOUT_SECONDS: Final = 5.0

BrokerError = KafkaException
"""What the broker, or the way to it, answered instead of what was asked for."""

_USER: Final = (
    "name and password (KAFKA_USERNAME, KAFKA_PASSWORD_FILE; kafka.username and password_file of a"
    " mapping)"
)

_REFUSED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_MAY: Final = "give it Read, Describe and DescribeConfigs of each topic, and Describe of each group"


OF_THE_GROUP: Final = KafkaError.GROUP_AUTHORIZATION_FAILED
"""What a reader of assigned partitions may pass over: it has a group's name and asks it nothing."""


class NoConversationError(KafkaException):
    """No broker takes us as we come; the message says why and what to do."""

    def __init__(self, error: KafkaError, message: str) -> None:
        super().__init__(error)
        self._message = message

    def __str__(self) -> str:
        return self._message


class ConnectionErrors:
    """What a client says of its connections while it is asked something else."""

    def __init__(self, servers: KafkaServers) -> None:
        self.servers = servers
        self._said: dict[int, KafkaError] = {}

    def note(self, error: KafkaError) -> None:
        """Keep it; of each kind the last one."""
        self._said[error.code()] = error

    def with_reason(self, error: KafkaException) -> KafkaException:
        """The same with what is known of its cause."""
        reason = self.reason(error.args[0])
        if reason is None:
            return error
        return NoConversationError(error.args[0], f"{self.servers.name} {reason}")

    def reason(self, error: KafkaError) -> str | None:
        """Why what failed with this error failed; None where only the error is known."""
        for said in (error, *self._said.values()):
            if said.code() in _REFUSED:
                return f"lets the user {self.servers.user!r} not look: {_MAY} ({said.str()})"
        told = self._said.get(KafkaError._AUTHENTICATION)  # noqa: SLF001
        if told is not None:
            words = told.str().split(": ", 1)[-1].split(" (after ")[0]
            return f"refuses the user {self.servers.user!r}: see {_USER} ({words})"
        if error.code() not in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):  # noqa: SLF001
            return None
        seen = self.servers.heard_on_the_way() or seen_of(self.servers)
        if seen is None and not self.servers.user and error.code() == KafkaError._TRANSPORT:  # noqa: SLF001
            return f"answers, and then hangs up: if it asks for one, give a {_USER}"
        return seen


class LogConsumer(Consumer):
    """A consumer that knows what was said of its connections."""

    def __init__(self, servers: KafkaServers, settings: dict[str, Any]) -> None:
        self.connection_errors = ConnectionErrors(servers)
        super().__init__(_settings(servers, self.connection_errors, settings))


class RecordProducer(Producer):
    """A producer that knows what was said of its connections."""

    def __init__(self, servers: KafkaServers, settings: dict[str, Any]) -> None:
        self.connection_errors = ConnectionErrors(servers)
        super().__init__(_settings(servers, self.connection_errors, settings))


class Admin(AdminClient):
    """An admin client that knows what was said of its connections."""

    def __init__(self, servers: KafkaServers) -> None:
        self.connection_errors = ConnectionErrors(servers)
        super().__init__(_settings(servers, self.connection_errors, {}))


def open_admin(servers: KafkaServers) -> Admin:
    """An admin client that a broker has answered.

    Raises:
        BrokerError: none did.
    """
    admin = Admin(servers)
    with explaining(admin):
        admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS)
    return admin


@contextmanager
def explaining(client: LogConsumer | Admin) -> Iterator[None]:
    """Raise what fails in the block with what was heard of the connection meanwhile.

    Raises:
        BrokerError: what failed; with the reason where one was heard.
    """
    try:
        yield
    except KafkaException as error:
        # What was heard waits in a queue until somebody looks.
        client.poll(0)
        raise client.connection_errors.with_reason(error) from error


def _settings(
    servers: KafkaServers, errors: ConnectionErrors, settings: dict[str, Any]
) -> dict[str, Any]:
    """The client's, which no property of the security changes."""
    return {
        **servers.security,
        "bootstrap.servers": servers.bootstrap_servers,
        "log_level": 0,
        "error_cb": errors.note,
        **settings,
    }
