"""One attempt: ask the gateway, write what came of it. No connection is held in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import psycopg
from psycopg_pool import ConnectionPool

from runtime import metrics, tracing
from runtime.adapters.gateway_client import ChargeRequest, GatewayAnswer, GatewayClient
from runtime.adapters.store import database, payments
from runtime.adapters.store.payments import Cause
from runtime.domain.event import traceparent
from runtime.domain.names import RefundState, trace_id
from runtime.domain.outcome import Outcome
from runtime.domain.payment_events import Answered, Step
from runtime.domain.refund import RefundAnswered
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.faults import connections
from runtime.faults.http import NextCall
from runtime.faults.points import Failpoint, Subject
from runtime.process import Process
from runtime.steps import payment, refund
from runtime.steps.queue import PaymentClaim
from runtime.steps.refund import RefundClaim
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

_Write = Callable[[psycopg.Connection], None]

PERSIST_TRIES_MAX: Final = 20
"""Tries to write a result while the database is away; then the lease runs out and the same key
asks Stripe again, which costs a request and loses nothing."""


@dataclass(slots=True)
class AttemptRunner:
    """What attempts share; every method may run on any executor thread."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    gateway: GatewayClient
    database_outage: Outage

    def charge(self, claim: PaymentClaim) -> Outcome:
        """Send one claimed payment and write its outcome; returns the outcome for the circuit."""
        row = claim.row
        subject = Subject(row.order_id, row.event_id, row.tenant_id)
        failpoints = self.process.failpoints
        failpoints.hit(Failpoint.WORKER_ATTEMPT_DURABLE_BEFORE_PSP, subject, NextCall())
        # Of the claimed row and nothing newer: what was leased is what is sent.
        request = ChargeRequest(
            row.event_id,
            row.order_id,
            row.tenant_id,
            row.money,
            row.payment_method,
        )
        parent = traceparent(row.event_id, claim.token)
        with metrics.GATEWAY_SECONDS.labels("charge").time():
            answer = self.gateway.charge(request, traceparent=parent)
        metrics.PAYMENT_ATTEMPTS.labels("charge", type(answer.outcome).__name__.lower()).inc()
        waiting = connections.Pooled(self.pool)
        failpoints.hit(Failpoint.PSP_RESPONSE_BEFORE_PERSIST, subject, waiting)
        # The answer is in memory only. If this process dies here, the lease runs out and the same
        # key asks Stripe again, which then repeats what it has saved.
        self._persist(lambda conn: self._write_charge(conn, claim, answer, subject))
        return answer.outcome

    def _write_charge(
        self, conn: psycopg.Connection, claim: PaymentClaim, answer: GatewayAnswer, subject: Subject
    ) -> None:
        row = claim.row
        applied = payment.apply(
            conn,
            row.event_id,
            Answered(answer.outcome),
            Cause(self.process.common.process, answer.stripe_request_id),
            rng=self.process.rng,
            # Fenced: whoever took over after the lease has asked under the same key.
            lease_token=claim.token,
        )
        before_commit = connections.Commit(conn)
        self.process.failpoints.hit(
            Failpoint.WORKER_RESULT_TX_BEFORE_COMMIT, subject, before_commit
        )
        # Whoever was first, the payment's own state is what people look for.
        status = (
            applied.payment.state
            if isinstance(applied, Step)
            else payments.state_of(conn, row.event_id)
        )
        logger.info(
            "processed payment",
            extra={
                "event_id": str(row.event_id),
                "order_id": row.order_id,
                "trace_id": trace_id(row.event_id),
                "status": status,
                "result": None if isinstance(applied, Step) else payment.describe(applied),
                "outcome": type(answer.outcome).__name__.lower(),
                "decline_code": getattr(answer.outcome, "decline_code", None),
                "replayed": answer.replayed,
                "attempt": row.started_attempts + 1,
                "stripe_request_id": answer.stripe_request_id,
            },
        )

    def refund(self, claim: RefundClaim) -> Outcome:
        """Send one claimed refund and write its outcome."""
        row = claim.row
        subject = Subject(row.order_id, row.event_id)
        failpoints = self.process.failpoints
        with metrics.GATEWAY_SECONDS.labels("refund").time():
            answer = self.gateway.refund(
                key=row.idempotency_key,
                payment_intent_id=row.payment_intent_id,
                money=row.money,
                refund_id=row.refund_id,
                traceparent=traceparent(row.event_id, claim.token),
                on_sent=partial(failpoints.hit, Failpoint.SAGA_REFUND_SENT_NO_RESPONSE, subject),
            )
        metrics.PAYMENT_ATTEMPTS.labels("refund", type(answer.outcome).__name__.lower()).inc()
        self._persist(lambda conn: self._write_refund(conn, claim, answer, subject))
        return answer.outcome

    def _write_refund(
        self, conn: psycopg.Connection, claim: RefundClaim, answer: GatewayAnswer, subject: Subject
    ) -> None:
        row = claim.row
        moved = refund.apply(
            conn,
            row.refund_id,
            RefundAnswered(answer.outcome, answer.stripe_refund_id),
            self.process.common.process,
            rng=self.process.rng,
            lease_token=claim.token,
        )
        before_commit = connections.Commit(conn)
        self.process.failpoints.hit(Failpoint.SAGA_REFUND_BEFORE_PERSIST, subject, before_commit)
        # An error in the log: a failed refund waits for a person.
        failed = moved is not None and moved.refund.state is RefundState.FAILED
        logger.log(
            logging.ERROR if failed else logging.INFO,
            "processed refund",
            extra={
                "event_id": str(row.event_id),
                "order_id": row.order_id,
                "trace_id": trace_id(row.event_id),
                "refund_id": str(row.refund_id),
                "status": moved.refund.state.value if moved else "fenced",
                "failure_code": moved.refund.failure_code if moved else None,
                "outcome": type(answer.outcome).__name__.lower(),
                "replayed": answer.replayed,
                "stripe_request_id": answer.stripe_request_id,
            },
        )

    def _persist(self, write: _Write) -> None:
        """Write a result in one transaction; keep trying a while if the database is away."""
        for failures in range(1, PERSIST_TRIES_MAX + 1):
            try:
                with tracing.span("transaction"), self.pool.connection() as conn:
                    write(conn)
            except database.UNAVAILABLE as error:
                self.database_outage.failed(error)
                # The thread has nothing else to do: its place counts as taken until the result is
                # written.
                time.sleep(CONNECTION_BACKOFF.delay_seconds(failures, self.process.rng))
            else:
                self.database_outage.recovered()
                return
        logger.error("a result could not be written; its lease runs out and the key asks again")
