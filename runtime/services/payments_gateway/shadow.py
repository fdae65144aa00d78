"""Shadow mode: Stripe is called, the result is written down, and v1's outcome is what counts.

Nothing of our own call reaches a payment. Without v1's outcome the payment waits, however long;
money that v1 took is given back by v1, so refunds and cancellations wait until the shadow ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from runtime import metrics
from runtime.adapters.store import database, shadow
from runtime.adapters.store.shadow import Comparison
from runtime.domain.outcome import Outcome
from runtime.domain.outcome_document import word_of
from runtime.domain.shadow import (
    FINAL,
    V1Outcome,
    code_of,
    parity,
)
from runtime.services.payments_gateway.edge import GatewayProblem
from runtime.services.payments_gateway.journal import Call, Journal

logger = logging.getLogger(__name__)

WAIT_SECONDS: Final = 5
"""How soon a payment that waits for v1 asks again; asking costs one look at a row."""


def charge(
    journal: Journal,
    event_id: UUID,
    v1: V1Outcome | None,
    send: Callable[[], Call],
) -> Outcome:
    """Call Stripe unless that is done already, and answer with v1's outcome.

    Raises:
        GatewayProblem: no_v1_outcome while it is not known.
    """
    known = _look(journal, event_id, v1)
    # A final one is never asked for again: by then Stripe may have pruned the key.
    ours = known.v2_outcome, known.v2_code
    if known.v2_outcome not in FINAL:
        call = send()
        ours = word_of(call.outcome), code_of(call.outcome)
        _note(journal, event_id, call)
    # After our own call, so that the comparison is complete whenever v1 answers.
    if known.v1 is None:
        raise waiting()
    metrics.SHADOW_ANSWERS.labels(parity(known.v1, *ours)).inc()
    return known.v1.as_outcome()


def waiting() -> GatewayProblem:
    """v1 has not said yet what became of it."""
    return GatewayProblem("no_v1_outcome", retry_after_seconds=WAIT_SECONDS)


def _look(journal: Journal, event_id: UUID, said: V1Outcome | None) -> Comparison:
    try:
        with journal.pool.connection() as conn:
            if said is not None:
                # First written, then looked up: v1's first word stands, whatever this one says.
                shadow.record_v1(conn, event_id, said)
            return shadow.find(conn, event_id)
    except database.UNAVAILABLE as error:
        raise journal.unwritable(error) from error


def _note(journal: Journal, event_id: UUID, call: Call) -> None:
    """Write down what our own call came to; lost, it is asked for again with the same key."""
    try:
        with journal.pool.connection() as conn:
            shadow.record_v2(
                conn,
                event_id,
                outcome=word_of(call.outcome),
                code=code_of(call.outcome),
                payment_intent_id=call.payment_intent_id,
                request_id=call.request_id,
            )
    except database.UNAVAILABLE as error:
        journal.database_outage.failed(error)
        logger.warning("a shadow result was not written", extra={"event_id": str(event_id)})
