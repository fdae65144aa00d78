"""Whether a server of the image does its work, asked once from within its own pod."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from psycopg.conninfo import make_conninfo

from bookpayctl.clients.database import DatabaseError, connect
from bookpayctl.targets.container.secret import read_secret
from bookpayctl.targets.readiness import kafka_answers, smtp_answers
from bookpayctl.targets.servers.postgres import DATABASE, LOOPBACK, ROLE

SERVERS: Final = ("postgres", "kafka", "mail-sink")

# Whole seconds, at least 2: libpq takes less for 2 anyway.
_CONNECT_SECONDS: Final = 2


def reason_not_ready(server: str, port: int, password_file: Path | None) -> str:
    """Why the server does not do its work; empty when it does.

    Args:
        server: one of `SERVERS`.
        password_file: for PostgreSQL, which is asked for a session of its own role.
    """
    match server:
        case "postgres":
            return _postgres_reason(port, password_file)
        case "kafka":
            return "" if kafka_answers(f"{LOOPBACK}:{port}") else f"no broker answers on {port}"
        case _:
            return "" if smtp_answers(port) else f"no mail server greets on {port}"


def _postgres_reason(port: int, password_file: Path | None) -> str:
    password = read_secret(password_file) if password_file else None
    dsn = make_conninfo("", host=LOOPBACK, port=port, user=ROLE, dbname=DATABASE, password=password)
    try:
        connect(dsn, timeout_seconds=_CONNECT_SECONDS).close()
    except DatabaseError as error:
        return str(error)
    return ""
