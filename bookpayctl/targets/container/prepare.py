"""Fills a fresh database and broker: schema, a tenant's token, a catalogue, topics.

Every step is harmless when repeated and beside another run of itself; a run that was cut off is
simply run again. Servers that are not there yet are waited for, and it is said for what.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import OperationalError, ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.container.secret import SecretError, read_secret
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.readiness import kafka_answers
from bookpayctl.targets.servers import contents

_POLL_SECONDS: Final = 1.0

Say = Callable[[str], None]


class NotPreparedError(TargetError):
    """A server did not answer, or refused, until the deadline; the message has its last word."""

    code = ExitCode.DEADLINE
    reason = "not_prepared"


class PreparingRefusedError(TargetError):
    """The database refused something, and waiting would not change that."""

    reason = "refused"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be filled.

    Attributes:
        dsn: as a role that may make the schema; holds a password.
        bootstrap_servers: None where somebody else makes the topics.
        orders_token: of the tenant that every fresh environment has.
    """

    dsn: str
    bootstrap_servers: str | None
    orders_token: str


def wanted(dsn_file: Path, bootstrap_servers: str | None, orders_token_file: Path) -> Wanted:
    """Read the secrets.

    Raises:
        SecretError: one is not there, or the first is no connection string.
    """
    dsn = read_secret(dsn_file)
    try:
        conninfo_to_dict(dsn)
    except ProgrammingError:
        # Not chained: the driver's complaint quotes what it was given, password and all.
        raise SecretError(
            f"{dsn_file} does not hold a connection string: postgresql://user@host:port/database"
        ) from None
    return Wanted(dsn, bootstrap_servers, read_secret(orders_token_file))


def prepare(what: Wanted, timeout_seconds: float, say: Say) -> None:
    """Do all of it, within the time for all of it.

    Args:
        say: told what is waited for and what was done, one line each.

    Raises:
        NotPreparedError: a server did not answer in time.
        PreparingRefusedError: the database refused, or its recorded migrations are not ours.
    """
    deadline = time.monotonic() + timeout_seconds
    _until_done(lambda: _fill_database(what, say), database_place(what.dsn), deadline, say)
    servers = what.bootstrap_servers
    if servers is not None:
        _until_done(lambda: _create_topics(servers, say), f"Kafka at {servers}", deadline, say)


def database_place(dsn: str) -> str:
    """Where the database is, in words, without who logs in and with what."""
    parts = conninfo_to_dict(dsn)
    host, port = parts.get("host", "localhost"), parts.get("port", 5432)
    return f"PostgreSQL at {host}:{port}, database {parts.get('dbname', '')}"


def _until_done(attempt: Callable[[], str], place: str, deadline: float, say: Say) -> None:
    """Try until there is no reason left why not; each new reason is said.

    Raises:
        NotPreparedError: the deadline came first.
    """
    said = ""

    def tried() -> str:
        nonlocal said
        reason = attempt()
        if reason and reason != said:
            said = reason
            say(f"waiting for {place}: {reason}")
        return reason

    waited = wait_until(
        tried,
        lambda reason: not reason,
        deadline_seconds=deadline - time.monotonic(),
        every_seconds=_POLL_SECONDS,
    )
    if not waited.reached:
        raise NotPreparedError(f"{place} did not answer in time: {waited.value}")


def _fill_database(what: Wanted, say: Say) -> str:
    """Why the database could not be filled yet; empty when it is."""
    try:
        applied = contents.fill_database(what.dsn, what.orders_token)
    except contents.ContentsError as error:
        # Not there yet, or gone in between. Whatever else it says will not change by waiting.
        if isinstance(error.__cause__, OperationalError):
            return str(error.__cause__).strip()
        raise PreparingRefusedError(str(error)) from error
    for name in applied:
        say(f"applied {name}")
    say(
        f"the schema is the newest ({len(applied)} migrations applied); tenant"
        f" {contents.TENANT_ID} and {len(contents.CATALOGUE)} books are there"
    )
    return ""


def _create_topics(bootstrap_servers: str, say: Say) -> str:
    """Why the topics could not be made yet; empty when they are there."""
    if not kafka_answers(bootstrap_servers):
        return "no broker answers"
    try:
        made = contents.create_topics(KafkaServers(bootstrap_servers))
    except contents.ContentsError as error:
        return str(error)
    say(f"topics made: {', '.join(made)}" if made else "all topics were there")
    return ""
