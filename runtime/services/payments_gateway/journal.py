"""The gateway's journal: no call leaves the machine before its row in `stripe_calls` is durable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from runtime import tracing
from runtime.adapters.store import database, stripe_calls
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Outcome
from runtime.domain.outcome_document import word_of
from runtime.domain.stripe_shape import Answer, NoAnswer, NotStripes, Refusal, Shown
from runtime.services.payments_gateway.edge import GatewayProblem
from runtime.telemetry import Outage


@dataclass(frozen=True, slots=True)
class Call:
    """One call to Stripe: what came back, and what that means."""

    answer: Answer
    outcome: Outcome

    @property
    def http_status(self) -> int | None:
        """The status line, of whoever answered; None without one."""
        match self.answer:
            case NoAnswer():
                return None
            case NotStripes() | Refusal():
                return self.answer.http_status
            case Shown():
                return 200

    @property
    def is_stripes(self) -> bool:
        """Whether Stripe itself has answered."""
        return isinstance(self.answer, Refusal | Shown)

    @property
    def request_id(self) -> str | None:
        return self.answer.request_id if isinstance(self.answer, Refusal | Shown) else None

    @property
    def replayed(self) -> bool:
        return isinstance(self.answer, Refusal | Shown) and self.answer.replayed

    @property
    def payment_intent_id(self) -> PaymentIntentId | None:
        """The PaymentIntent that the outcome names."""
        return getattr(self.outcome, "payment_intent_id", None)


def _note(call: Call) -> None:
    """What a span says of a call: no word of what Stripe wrote, but its request's id."""
    tracing.note(
        bookpay__outcome=word_of(call.outcome),
        bookpay__replayed=call.replayed,
        http__response__status_code=call.http_status,
        stripe__request_id=call.request_id,
    )


@dataclass(slots=True)
class Journal:
    """Writes the rows; safe to share between threads."""

    pool: ConnectionPool[psycopg.Connection]
    # For completing rows: the row itself is durable, its completion may be lost in a crash.
    lazy_pool: ConnectionPool[psycopg.Connection]
    database_outage: Outage
    stripe_outage: Outage
    # What the gateway's deadline leaves beside Stripe's; a row that takes longer sends nothing.
    seconds: float

    def call(
        self,
        operation: str,
        *,
        key: str,
        event_id: UUID | None,
        payment_intent_id: str | None,
        send: Callable[[], Answer],
        classify: Callable[[Answer], Outcome],
    ) -> Call:
        """Write the row, call Stripe with no connection held, complete the row.

        Raises:
            GatewayProblem: journal_unavailable; nothing was sent.
        """
        send_before = time.monotonic() + self.seconds
        call_id = self._begin(operation, key, event_id, payment_intent_id)
        if time.monotonic() > send_before:
            # The caller may have been told `unknown` by now; nothing may be sent behind its back.
            raise self.unwritable(TimeoutError("the journal was too slow"))
        # No connection is held from here to the answer, however long Stripe takes.
        with tracing.span(f"stripe {operation}", tracing.SpanSide.CLIENT):
            answer = send()
            call = Call(answer, classify(answer))
            _note(call)
        self._end(call_id, call)
        self.heard(answer)
        return call

    def heard(self, answer: Answer) -> None:
        """Say once per outage that Stripe is away, or that somebody answers in its place."""
        match answer:
            case NoAnswer():
                self.stripe_outage.failed(ConnectionError("no answer"))
            case NotStripes():
                self.stripe_outage.failed(
                    ConnectionError(f"http {answer.http_status} is not Stripe's: {answer.why}")
                )
            # Any answer of its own ends an outage, also one that refuses.
            case Refusal() | Shown():
                self.stripe_outage.recovered()

    def unwritable(self, error: Exception) -> GatewayProblem:
        """The database is away, and so nothing was sent; says so once per outage."""
        self.database_outage.failed(error)
        return GatewayProblem("journal_unavailable", not_sent=True)

    def close(self) -> None:
        self.pool.close()
        self.lazy_pool.close()

    def _begin(
        self, operation: str, key: str, event_id: UUID | None, payment_intent_id: str | None
    ) -> int:
        try:
            with self.pool.connection() as conn:
                call_id = stripe_calls.begin(
                    conn,
                    operation=operation,
                    idempotency_key=key,
                    event_id=event_id,
                    payment_intent_id=payment_intent_id,
                )
        except database.UNAVAILABLE as error:
            raise self.unwritable(error) from error
        self.database_outage.recovered()
        return call_id

    def _end(self, call_id: int, call: Call) -> None:
        """Complete the journal row; its loss costs a line of evidence, never the answer."""
        try:
            with self.lazy_pool.connection() as conn:
                stripe_calls.end(
                    conn,
                    call_id,
                    status=call.http_status,
                    outcome=word_of(call.outcome),
                    request_id=call.request_id,
                    replayed=call.replayed,
                    payment_intent_id=call.payment_intent_id,
                )
        except database.UNAVAILABLE as error:
            self.database_outage.failed(error)
