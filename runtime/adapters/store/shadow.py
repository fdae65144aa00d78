"""Shadow comparisons: one row per payment, v1's outcome beside our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import kwargs_row

from runtime.domain.names import PaymentIntentId
from runtime.domain.shadow import V1Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of one payment; either side may still be missing."""

    v1: V1Outcome | None
    v2_outcome: str | None
    v2_code: str | None = None


_RECORD_V1: Final = """
    INSERT INTO shadow_comparisons
        (event_id, v1_outcome, v1_payment_intent_id, v1_code, v1_source, v1_recorded_at)
    VALUES (%(event_id)s, %(outcome)s, %(intent)s, %(code)s, 'header', clock_timestamp())
    ON CONFLICT (event_id) DO UPDATE SET v1_outcome = excluded.v1_outcome,
        v1_payment_intent_id = excluded.v1_payment_intent_id, v1_code = excluded.v1_code,
        v1_source = 'header', v1_recorded_at = clock_timestamp()
    -- A payment may have acted on the first word already.
    WHERE shadow_comparisons.v1_outcome IS NULL
"""


def record_v1(conn: Connection, event_id: UUID, v1: V1Outcome) -> None:
    """Keep what v1 said; its first word stands, for a payment acts on it once."""
    conn.execute(
        _RECORD_V1,
        {
            "event_id": event_id,
            "outcome": v1.outcome,
            "intent": v1.payment_intent_id,
            "code": v1.code,
        },
    )


_RECORD_V2: Final = """
    INSERT INTO shadow_comparisons (event_id, v2_outcome, v2_code, v2_detail, v2_recorded_at)
    VALUES (%(event_id)s, %(outcome)s, %(code)s,
            jsonb_build_object('payment_intent_id', %(intent)s::text,
                               'request_id', %(request)s::text), clock_timestamp())
    ON CONFLICT (event_id) DO UPDATE SET v2_outcome = excluded.v2_outcome,
        v2_code = excluded.v2_code, v2_detail = excluded.v2_detail,
        v2_recorded_at = clock_timestamp()
    -- An unclear outcome of ours is asked for again and replaced; an end is not.
    WHERE shadow_comparisons.v2_outcome IS NULL
       OR shadow_comparisons.v2_outcome NOT IN ('settled', 'declined', 'parked')
"""


def record_v2(
    conn: Connection,
    event_id: UUID,
    *,
    outcome: str,
    code: str | None,
    payment_intent_id: str | None,
    request_id: str | None,
) -> None:
    """Keep what our own call came to; a final outcome stays as it is."""
    conn.execute(
        _RECORD_V2,
        {
            "event_id": event_id,
            "outcome": outcome,
            "code": code,
            "intent": payment_intent_id,
            "request": request_id,
        },
    )


def find(conn: Connection, event_id: UUID) -> Comparison:
    """What is known of this payment; nothing is an answer, too."""
    with conn.cursor(row_factory=kwargs_row(_to_comparison)) as cursor:
        found = cursor.execute(
            "SELECT v1_outcome, v1_payment_intent_id, v1_code, v2_outcome,"
            " v2_code"
            " FROM shadow_comparisons WHERE event_id = %s",
            (event_id,),
        ).fetchone()
    return found or Comparison(None, None)


def _to_comparison(
    *,
    v1_outcome: str | None,
    v1_payment_intent_id: PaymentIntentId | None,
    v1_code: str | None,
    v2_outcome: str | None,
    v2_code: str | None,
) -> Comparison:
    v1 = V1Outcome(v1_outcome, v1_payment_intent_id, v1_code) if v1_outcome else None
    return Comparison(v1, v2_outcome, v2_code)
