"""What a drill's fault does to a connection, for each kind of connection that we use.

A cut shuts the very socket down, so that libpq, librdkafka or a client's HTTP library says by
itself what it says when a network fails. A time-out lets the other side execute first and throws
the answer away. Nothing here runs unless a failpoint is armed.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from psycopg_pool import ConnectionPool

ANSWER_SECONDS_MAX: Final = 5.0
"""How long the other side may take to execute what is to be executed."""

HANG_UP_SECONDS_MAX: Final = 60.0
"""No client of ours waits longer for an answer."""

# POLLRDHUP says that the peer closed its side, without reading from a socket that has a reader.
_HUNG_UP: Final = getattr(select, "POLLRDHUP", select.POLLHUP)


class NothingToCutError(RuntimeError):
    """There was no such connection: the fault did not happen and must not look as if it had."""


# --- PostgreSQL -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement:
    """A connection inside a transaction: what was said so far is executed and not committed."""

    conn: psycopg.Connection

    def begin(self) -> None:
        """The statements before the point have been sent already."""

    def cut(self) -> None:
        _cut(self.conn.pgconn.socket)

    def time_out(self) -> None:
        """The server itself ends the transaction for taking too long.

        In a pipeline the error comes where every other one comes: at its end.

        Raises:
            psycopg.errors.QueryCanceled: statement_timeout.
        """
        # LOCAL: the next transaction on this connection has its usual time again.
        self.conn.execute("SET LOCAL statement_timeout = 1")
        self.conn.execute("SELECT pg_sleep(1)")


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction whose next word is COMMIT; `sent` when the point lies behind that word.

    Not for a transaction that `conn.transaction()` ends.
    """

    conn: psycopg.Connection
    sent: bool = False

    def begin(self) -> None:
        if self.sent:
            self._send()

    def cut(self) -> None:
        """Before COMMIT, the next use of the connection fails; behind it, nobody reads the answer.

        Raises:
            psycopg.OperationalError: COMMIT was sent and the connection is gone.
        """
        self.begin()
        if self.sent:
            _lose_answer(self.conn)
        _cut(self.conn.pgconn.socket)

    def time_out(self) -> None:
        """The server commits; its answer is thrown away.

        Raises:
            psycopg.OperationalError: what libpq says of the connection it finds dead.
        """
        self._send()
        # The answer must be here before it is lost: a COMMIT that is cut off on its way is a
        # rollback, which is another fault.
        if not select.select([self.conn.pgconn.socket], [], [], ANSWER_SECONDS_MAX)[0]:
            raise NothingToCutError("COMMIT had no answer that could be lost")
        _lose_answer(self.conn)

    def hear(self) -> None:
        """Read the answer to what `begin` sent: the code's own COMMIT finds that it is done."""
        if self.sent:
            while self.conn.pgconn.get_result() is not None:
                continue

    def _send(self) -> None:
        # Not `conn.commit()`, which would wait for the answer.
        self.conn.pgconn.send_query(b"COMMIT")
        while self.conn.pgconn.flush():
            select.select([], [self.conn.pgconn.socket], [], ANSWER_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Executed:
    """An autocommitting connection whose last statement is done."""

    conn: psycopg.Connection

    def begin(self) -> None:
        """The statement has been executed already."""

    def cut(self) -> None:
        _cut(self.conn.pgconn.socket)

    def time_out(self) -> None:
        """Raises psycopg.OperationalError, as if the statement's answer had not come."""
        _lose_answer(self.conn)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Whatever connection a pool will hand out next."""

    pool: ConnectionPool[psycopg.Connection]

    def begin(self) -> None:
        """Nothing has been said yet."""

    def cut(self) -> None:
        """Cut every connection that waits in the pool; the pool goes on believing in them."""
        # All of them at once: each would be handed out again as soon as it is given back.
        taken = [self.pool.getconn() for _ in range(max(1, self._waiting()))]
        for conn in taken:
            # Under psycopg's nose, so that the pool takes it back as sound.
            _cut(conn.pgconn.socket)
            self.pool.putconn(conn)

    def time_out(self) -> None:
        raise NothingToCutError("nothing was executed on a connection that is still in its pool")

    def _waiting(self) -> int:
        return int(self.pool.get_stats().get("pool_available", 0))


def _lose_answer(conn: psycopg.Connection) -> NoReturn:
    """Cut a connection, read nothing of what the server said, and let libpq find out."""
    # A duplicate, so that closing it leaves libpq its own descriptor to be surprised with.
    with socket.socket(fileno=os.dup(conn.pgconn.socket)) as duplicate:
        drop(duplicate)
    # libpq looks only when it is asked; the caller must find the connection broken at once.
    conn.pgconn.consume_input()
    raise psycopg.OperationalError("server closed the connection unexpectedly")


# --- Kafka ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Broker:
    """Every connection of this process to a broker; librdkafka shows none of them."""

    client: Producer | Consumer

    def begin(self) -> None:
        """Whatever was handed to the client is on its way or still in its queue."""

    def cut(self) -> None:
        """librdkafka connects again and repeats what was under way."""
        give_up_at = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            # Who the brokers are is asked over these connections, too: one that breaks just now
            # takes the question with it.
            with contextlib.suppress(KafkaException):
                if _cut_all(self._sockets()) > 0:
                    return
            if time.monotonic() > give_up_at:
                raise NothingToCutError("no connection to a broker to cut")
            # Between two connections: the next is made within the client's back-off.
            time.sleep(0.01)

    def time_out(self) -> None:
        raise NothingToCutError("this step waits for no answer of a broker")

    def _sockets(self) -> Iterator[socket.socket]:
        # By the brokers' advertised names: those are what librdkafka connects to, and a process has
        # sockets to others too.
        brokers = self.client.list_topics(timeout=ANSWER_SECONDS_MAX).brokers.values()
        return sockets_to(
            {
                (str(address[0]), int(address[1]))
                for broker in brokers
                for *_, address in socket.getaddrinfo(broker.host, broker.port)
            }
        )


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """An event that a broker has acknowledged, in the callback that tells so."""

    producer: Producer

    def begin(self) -> None:
        """The broker has the event."""

    def cut(self) -> None:
        """The acknowledgement was on a connection that is gone, and so is what else was on it.

        Raises:
            KafkaException: what librdkafka reports when it has waited for message.timeout.ms.
        """
        Broker(self.producer).cut()
        self.time_out()

    def time_out(self) -> None:
        raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001


# --- HTTP clients of ours -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Client:
    """The connection over which a client waits for our answer.

    Attributes:
        peer: the client's address and port, as ASGI's scope has them.
    """

    peer: tuple[str, int] | None

    def begin(self) -> None:
        """What the request asked for is done."""

    def cut(self) -> None:
        if _cut_all(self._sockets()) == 0:
            raise NothingToCutError("the client has gone already")

    def time_out(self) -> None:
        """Hold the answer back until the client has given up; nobody on our side is told."""
        with contextlib.ExitStack() as held:
            for found in self._sockets():
                # Kept open until the end: the number could be another connection's by then.
                held.enter_context(found)
                poll = select.poll()
                poll.register(found, _HUNG_UP)
                if poll.poll(HANG_UP_SECONDS_MAX * 1000):
                    return
        raise NothingToCutError("no client that waits for this answer, or none that gives up")

    def _sockets(self) -> Iterator[socket.socket]:
        return sockets_to({self.peer} if self.peer else set())


# --- sockets --------------------------------------------------------------------------------


def drop(connection: socket.socket) -> None:
    """Cut a connection together with what had arrived on it and was not read yet."""
    connection.shutdown(socket.SHUT_RDWR)
    # After a shutdown this ends at once, with an end of file or a reset.
    with contextlib.suppress(OSError):
        while connection.recv(65_536):
            continue


def sockets_to(peers: set[tuple[str, int]]) -> Iterator[socket.socket]:
    """This process's connections to these addresses, each a duplicate for the caller to close."""
    # The kernel's list, because no library here shows the sockets it holds.
    for name in os.listdir("/dev/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            # Closed since the directory was read.
            continue
        if _peer_of(found) in peers:
            yield found
        else:
            found.close()


def _peer_of(found: socket.socket) -> tuple[str, int] | None:
    try:
        peer = found.getpeername()
    except OSError:
        return None
    return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None


def _cut_all(found: Iterator[socket.socket]) -> int:
    """Shut down and close duplicates; returns how many there were."""
    cut = 0
    for duplicate in found:
        # One that was reset meanwhile is as cut as it can be.
        with duplicate, contextlib.suppress(OSError):
            duplicate.shutdown(socket.SHUT_RDWR)
            cut += 1
    return cut


def _cut(descriptor: int) -> None:
    """Shut one connection down under its owner, who keeps the descriptor."""
    # `socket` closes what it is given: a duplicate, or the owner would lose its descriptor, and the
    # next connection could get the same number.
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
