"""What operators asked for, and what came of it; rows are never deleted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from psycopg import Connection
from psycopg.rows import kwargs_row


class RequestKind(StrEnum):
    REDRIVE_DEAD_LETTER = "redrive_dead_letter"
    RETRY_REFUND = "retry_refund"
    RELEASE_WEBHOOK = "release_webhook"
    DISCARD_WEBHOOK = "discard_webhook"


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """A request, its row locked.

    Attributes:
        row_id: of the dead letter or the quarantined webhook; None for a refund.
        event_id: of the payment whose refund is retried; None for the others.
    """

    request_id: int
    kind: RequestKind
    row_id: int | None
    event_id: UUID | None
    requested_by: str


def claim_next(conn: Connection) -> OperatorRequest | None:
    """Lock the oldest request that nobody has handled; None when there is none."""
    # Skipped when locked: another reconciler is carrying it out, and it is carried out once.
    with conn.cursor(row_factory=kwargs_row(_to_request)) as cursor:
        return cursor.execute(
            "SELECT id AS request_id, kind, row_id, event_id, requested_by FROM operator_requests"
            " WHERE handled_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        ).fetchone()


def _to_request(
    *, request_id: int, kind: str, row_id: int | None, event_id: UUID | None, requested_by: str
) -> OperatorRequest:
    return OperatorRequest(request_id, RequestKind(kind), row_id, event_id, requested_by)


def finish(conn: Connection, request: OperatorRequest, *, done: bool, detail: str) -> None:
    """Record what came of it, in the transaction that did it."""
    conn.execute(
        "UPDATE operator_requests SET handled_at = clock_timestamp(), result = %s, detail = %s"
        " WHERE id = %s",
        ("done" if done else "refused", detail[:500], request.request_id),
    )
