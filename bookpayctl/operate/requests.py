"""Requests of operators: written as rows, carried out by the reconciler, waited for here.

This tool never changes a payment itself. The runtime's state machines decide, under their own
locks, and the row keeps who asked, when, and what came of it.
"""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from bookpayctl.clients.database import Connection, writing
from bookpayctl.runs.waiting import wait_until

Kind = Literal["redrive_dead_letter", "retry_refund", "release_webhook", "discard_webhook"]

OPERATOR_VARIABLE: Final = "BOOKPAY_OPERATOR"
DEADLINE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """One thing asked for: a dead letter's or webhook's number, or a payment's event id."""

    kind: Kind
    row_id: int | None = None
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class OperatorReply:
    """What became of a request.

    Attributes:
        result: `done`, `refused`, or `open` when nobody has handled it by the deadline.
    """

    request_id: int
    request: OperatorRequest
    result: str
    detail: str


def submit(
    dsn: str,
    requests: Sequence[OperatorRequest],
    *,
    per_second: float | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> list[OperatorReply]:
    """Write the requests, at most so many a second, and wait for what becomes of them.

    Raises:
        DatabaseError: the database did not answer; what was written stays and will be handled.
    """
    with writing(dsn) as conn:
        numbers: list[int] = []
        for place, request in enumerate(requests):
            if place and per_second:
                time.sleep(1.0 / per_second)
            numbers.append(_write(conn, request))
        waited = wait_until(
            lambda: _answers(conn, numbers),
            lambda answers: len(answers) == len(numbers),
            deadline_seconds=deadline_seconds,
        )
    return [
        OperatorReply(
            number, request, *waited.value.get(number, ("open", "nobody has handled it yet"))
        )
        for number, request in zip(numbers, requests, strict=True)
    ]


def _write(conn: Connection, request: OperatorRequest) -> int:
    row = conn.execute(
        "INSERT INTO operator_requests (kind, row_id, event_id, requested_by)"
        " VALUES (%s, %s, %s, %s) RETURNING id",
        (request.kind, request.row_id, request.event_id, operator()),
    ).fetchone()
    if row is None:
        raise RuntimeError("INSERT ... RETURNING returned nothing")
    return int(row[0])


def _answers(conn: Connection, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    rows = conn.execute(
        "SELECT id, result, detail FROM operator_requests"
        " WHERE id = ANY (%s) AND handled_at IS NOT NULL",
        (list(numbers),),
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def operator() -> str:
    """Who asks: BOOKPAY_OPERATOR, else the name of the user."""
    given = os.environ.get(OPERATOR_VARIABLE)
    if given:
        return given[:100]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
