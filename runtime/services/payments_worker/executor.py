"""The executor: claims due payments and refunds, and runs attempts on a pool of threads.

The stated exception to one loop per process: a charge takes as long as Stripe takes, so as many
as `concurrency` are in flight, each in its own thread and none holding a connection while it
waits. The claim loop is single; the database's row locks keep processes apart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from runtime import metrics, tracing
from runtime.adapters.store.payments import PaymentRow
from runtime.domain.circuit import Circuit
from runtime.domain.lease import Lease
from runtime.domain.names import EventId
from runtime.domain.outcome import Halt, Outcome, Retry, Unknown
from runtime.domain.outcome_document import word_of
from runtime.domain.trace import of_attempt, of_inbox
from runtime.process import Process
from runtime.services.payments_worker.attempt import AttemptRunner
from runtime.steps import queue, refund
from runtime.steps.queue import PaymentClaim
from runtime.steps.refund import RefundClaim

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25
"""How often due work is looked for when nothing wakes the loop: retries, lost leases. No new
order waits for it."""

LOOK_AROUND_SECONDS: Final = 0.25
"""How often lost leases and due refunds are looked for; both can wait that long."""

REFUNDS_AT_A_TIME: Final = 8


@dataclass(slots=True)
class Executor:
    """The claim loop and its threads."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    attempts: AttemptRunner
    lease: Lease
    concurrency: int
    # The lease less the time an answer may take: what is sent later could come back unfenced.
    send_within_seconds: float
    threads: ThreadPoolExecutor
    wake: threading.Event = field(default_factory=threading.Event)
    circuit: Circuit = field(default_factory=Circuit)
    _in_flight: int = 0
    # Tokens of leases whose transaction ended without a clear answer, and until when they matter:
    # if it committed after all, the rows are leased and nobody works on them.
    _orphans: dict[UUID, float] = field(default_factory=dict)
    _looked_around_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run_once(self) -> float:
        """One round of claims; waits for a wake-up itself and so returns 0."""
        self.wake.clear()
        now = time.monotonic()
        with self._lock:
            free, circuit = self.concurrency - self._in_flight, self.circuit
            allowed = circuit.allowance(now, free)
            self._in_flight += allowed
        claimed = 0
        try:
            claimed = self._claim(now, allowed) if allowed > 0 else 0
        finally:
            self._give_back(allowed - claimed)
        if circuit.is_open and allowed > 0 and claimed == 0:
            self._nothing_to_probe_with(circuit)
        # Fewer than asked for: nothing else is due. As many as there is room for: wait for room.
        if allowed <= 0 or claimed < allowed or claimed == free:
            self.wake.wait(IDLE_SECONDS)
        return 0.0

    def _nothing_to_probe_with(self, circuit: Circuit) -> None:
        """The pause is over and nothing is due: the next payment will be the probe.

        An idle worker is not called unready for ever.
        """
        with self._lock:
            # Not if an answer came meanwhile: what it said of our credentials is newer than this.
            if self.circuit is circuit:
                self.process.lifecycle.readiness.set("stripe_circuit", True)

    def _claim(self, now: float, limit: int) -> int:
        claims: list[PaymentClaim] = []
        try:
            refund_claims = self._claim_due(now, limit, claims)
        except Exception:
            self._orphan(claims)
            raise
        self.start([*claims, *refund_claims])
        return len(claims) + len(refund_claims)

    def _claim_due(self, now: float, limit: int, claims: list[PaymentClaim]) -> list[RefundClaim]:
        """Lease what is due in one transaction; payments go into `claims` before it ends."""
        lease, rng = self.lease, self.process.rng
        refund_claims: list[RefundClaim] = []
        with self.pool.connection() as conn:
            if now - self._looked_around_at >= LOOK_AROUND_SECONDS:
                self._looked_around_at = now
                given_up = queue.give_up_leases(
                    conn, lease, rng, limit=limit, orphans=self._known_orphans(now)
                )
                if given_up:
                    logger.warning("attempts without an end are free again: %d", given_up)
                refund_claims = refund.claim_due(
                    conn, lease, rng, limit=min(limit, REFUNDS_AT_A_TIME)
                )
            # Refunds first: their customers have waited longest, and there are few.
            room = limit - len(refund_claims)
            claims += queue.claim_due(conn, lease, rng, limit=room) if room else []
        return refund_claims

    def _orphan(self, claims: Sequence[PaymentClaim]) -> None:
        """Remember leases that may have been committed, until they would have run out."""
        until = time.monotonic() + self.lease.seconds
        with self._lock:
            self._orphans.update((claim.token, until) for claim in claims)

    def _known_orphans(self, now: float) -> list[UUID]:
        with self._lock:
            self._orphans = {token: at for token, at in self._orphans.items() if at > now}
            return [*self._orphans]

    def _give_back(self, places: int) -> None:
        with self._lock:
            self._in_flight -= places

    def claim_new(self, conn: psycopg.Connection, rows: Sequence[PaymentRow]) -> list[PaymentClaim]:
        """Lease payments that the caller's transaction inserts, as far as there is room.

        The caller hands the claims to `start` once it has committed. What does not fit is due
        and is found by `run_once`, here or in another process.
        """
        with self._lock:
            free = self.concurrency - self._in_flight
            # While the circuit is open only `run_once` sends, one probe at a time.
            allowed = 0 if self.circuit.is_open else max(min(free, len(rows)), 0)
            self._in_flight += allowed
        claims: list[PaymentClaim] = []
        try:
            if allowed:
                wanted = rows[:allowed]
                claims = queue.claim_inserted(conn, wanted, self.lease, self.process.rng)
        finally:
            self._give_back(allowed - len(claims))
        return claims

    def forget(self, claims: Sequence[PaymentClaim]) -> None:
        """The transaction of these claims did not commit, or nobody knows: nothing is sent."""
        self._give_back(len(claims))
        self._orphan(claims)

    def start(self, claims: Sequence[PaymentClaim | RefundClaim]) -> None:
        """Begin an attempt for each claim; its transaction is committed, its place is taken."""
        for claim in claims:
            self._start(claim)

    def _start(self, claim: PaymentClaim | RefundClaim) -> None:
        with self._lock:
            self.circuit = self.circuit.probe_sent()
        metrics.ATTEMPTS_IN_FLIGHT.inc()
        send_before = time.monotonic() + self.send_within_seconds
        future = self.threads.submit(self._attempt, claim, send_before)
        future.add_done_callback(self._ended)

    def _attempt(self, claim: PaymentClaim | RefundClaim, send_before: float) -> None:
        if time.monotonic() > send_before:
            # Held up between the claim and here, perhaps for days in a frozen process: the answer
            # could come after the lease, and the key could be one that Stripe has pruned.
            logger.warning("an attempt is too late to be sent; its lease runs out")
            return
        with _span(claim):
            match claim:
                case PaymentClaim():
                    outcome = self.attempts.charge(claim)
                case RefundClaim():
                    outcome = self.attempts.refund(claim)
            tracing.note(bookpay__outcome=word_of(outcome), bookpay__order_id=claim.row.order_id)
        self._update_circuit(outcome)

    def _update_circuit(self, outcome: Outcome) -> None:
        """Feed the circuit.

        Only credentials that are refused make the worker unready: they need somebody to mend them.
        """
        with self._lock:
            before = self.circuit
            match outcome:
                case Halt():
                    self.circuit = before.halted(time.monotonic(), outcome.reason)
                case Retry(unreached=True):
                    self.circuit = before.unreached(time.monotonic(), outcome.reason)
                case Retry() | Unknown():
                    self.circuit = before.undecided(time.monotonic())
                case _:
                    self.circuit = before.answered()
            after = self.circuit
            # Under the lock: of two answers at once, the later one has the last word.
            self.process.lifecycle.readiness.set(
                "stripe_circuit",
                not after.is_refused,
                f"Stripe refuses our credentials: {after.reason}",
            )
            metrics.STRIPE_CIRCUIT_OPEN.set(after.is_refused)
        _tell_of_circuit(before, after)

    def _ended(self, future: Future[None]) -> None:
        with self._lock:
            was_full = self._in_flight >= self.concurrency
            self._in_flight -= 1
        metrics.ATTEMPTS_IN_FLIGHT.dec()
        error = None if future.cancelled() else future.exception()
        if error is not None:
            # The lease runs out and the same key asks again; the row is never lost.
            logger.error("an attempt broke", exc_info=error)
        if was_full:
            # Only then may work be waiting for room.
            self.wake.set()

    def drain(self, seconds: float) -> bool:
        """Wait for attempts under way to end; False when some did not in time.

        What has not begun is left to its lease.
        """
        self.threads.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                if self._in_flight == 0:
                    return True
            self.wake.wait(0.05)
            self.wake.clear()
        return False


def _tell_of_circuit(before: Circuit, after: Circuit) -> None:
    """Say once what begins and what ends; probes that change nothing are not told."""
    if after.is_refused and not before.is_refused:
        logger.error(
            "Stripe refuses our credentials; payments wait, nobody is cancelled",
            extra={"reason": after.reason},
        )
    elif before.is_refused and not after.is_open:
        logger.info("Stripe takes our credentials again")
    elif after.is_away and not before.is_open:
        # No warning: who is away is told by whoever watches it.
        logger.info("nobody takes charges; payments wait", extra={"reason": after.reason})
    elif before.is_away and not after.is_open:
        logger.info("charges are taken again")


def _span(claim: PaymentClaim | RefundClaim) -> AbstractContextManager[None]:
    """One attempt: a child of what made the payment, and what its call to the gateway names."""
    what = "charge" if isinstance(claim, PaymentClaim) else "refund"
    root = EventId(claim.row.event_id)
    return tracing.span(
        f"attempt {what}", parent=of_inbox(root), context=of_attempt(root, claim.token)
    )
