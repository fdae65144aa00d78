"""Money that others moved and of which no event told: Stripe's lists are read.

Three ways lead here, each bounded: a payment that was marked (a charge says that more has gone back
than is known, a success was heard of late, a refund of ours was refused), what is open at Stripe
(disputes, pending refunds) with growing waits, and the account's own list since the last look.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID

import psycopg

from runtime.adapters.gateway_client import (
    FoundDispute,
    FoundRefund,
    GatewayUnavailableError,
)
from runtime.adapters.store import outside, payments, reconcile
from runtime.adapters.store.outside import DisputeTold, RefundTold
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain.names import PaymentState
from runtime.domain.outside import is_ours
from runtime.services.payments_reconciler import charges
from runtime.services.payments_reconciler.tools import BATCH, Tools
from runtime.steps import moved_by_others
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

CAUSE: Final = Cause("reconciler", "Stripe's list")

WINDOW_SECONDS_MAX: Final = 24 * 3600
"""How much of the past one look reads; a list that is still too long is read in halves."""
WINDOW_SECONDS_MIN: Final = 60
MARGIN_SECONDS: Final = 120
"""Stripe's clock is another machine's, and a payment's id may be written after its refund."""
PAUSE_SECONDS_MIN: Final = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """What Stripe holds of one PaymentIntent's money that went back.

    Attributes:
        read_at: by the environment's clock, before Stripe was asked.
        is_whole: the disputes could be read, too.
    """

    refunds: Sequence[FoundRefund]
    disputes: Sequence[FoundDispute]
    read_at: float
    is_whole: bool = True


def look_up(tools: Tools, payment_intent_id: str) -> Found:
    """Ask Stripe.

    Raises:
        GatewayUnavailableError: it did not tell its refunds.
    """
    with tools.pool.connection() as conn:
        # Before the question: what happens meanwhile is newer than the answer.
        read_at = reconcile.environment_seconds(conn)
    refunds = tools.gateway.refunds_of(payment_intent_id)
    try:
        return Found(refunds, tools.gateway.disputes_of(payment_intent_id), read_at)
    except GatewayUnavailableError:
        # A key may read refunds and no disputes: what is known of refunds must not wait for that.
        return Found(refunds, (), read_at, is_whole=False)


def record(tools: Tools, event_id: UUID, found: Found) -> frozenset[str]:
    """Write what others moved of a payment, and do what follows.

    Returns:
        Stripe's ids of its refunds that are not ours.
    """
    with tools.pool.connection() as conn:
        row = payments.lock(conn, event_id)
        if row is None or row.payment.payment_intent_id is None:
            return frozenset()
        _record(tools, conn, row, found)
        return outside.known_refunds(conn, row.payment.payment_intent_id)


def _record(tools: Tools, conn: psycopg.Connection, row: PaymentRow, found: Found) -> int:
    """Write what is news; returns how many."""
    intent = row.payment.payment_intent_id
    if intent is None:
        return 0
    claimants = outside.claimants_of(conn, row.event_id)
    rng, changed = tools.process.rng, 0
    for entry in found.refunds:
        if any(is_ours(c, entry.stripe_refund_id, entry.refund_id, None) for c in claimants):
            continue
        # Of another currency, or of no amount that a charge has: Stripe has no such refund.
        if entry.money is None or entry.money.currency != row.money.currency:
            continue
        told = RefundTold(
            entry.stripe_refund_id, intent, entry.charge_id, entry.money, entry.status, entry.reason
        )
        changed += moved_by_others.record_refund(conn, row, told, CAUSE, rng)
    told_at = datetime.fromtimestamp(found.read_at, UTC)
    for dispute in found.disputes:
        if dispute.money is None:
            continue
        news = DisputeTold(
            dispute.stripe_dispute_id,
            intent,
            dispute.charge_id,
            dispute.money,
            dispute.status,
            dispute.reason,
            told_at,
        )
        changed += moved_by_others.record_dispute(conn, row, news, CAUSE, rng)
    return changed


# --- payments that were marked ----------------------------------------------------------------


def check_marked(tools: Tools) -> int:
    """Ask Stripe what moved of payments of which somebody said so, or that wait for an end."""
    with tools.pool.connection() as conn:
        outside.mark_open(conn, limit=BATCH)
        marked = outside.claim_checks(conn, hold_seconds=tools.lease_seconds, limit=BATCH)
    for entry in marked:
        found = tools.ask(partial(look_up, tools, entry.payment_intent_id))
        if found is None:
            continue
        record(tools, entry.event_id, found)
        _believe_late_success(tools, entry.event_id, found)
        if found.is_whole:
            with tools.pool.connection() as conn:
                outside.checked(conn, entry.event_id)
    return len(marked)


def _believe_late_success(tools: Tools, event_id: UUID, found: Found) -> None:
    """What went back had been taken: a payment called failed has succeeded after all."""
    if not found.refunds and not found.disputes:
        return
    with tools.pool.connection() as conn:
        row = payments.lock(conn, event_id)
    if row is None or row.payment.state is not PaymentState.FAILED:
        return
    known = row.payment.payment_intent_id
    intent = tools.ask(partial(tools.gateway.retrieve, known)) if known is not None else None
    if intent is not None:
        tools.apply(row, charges.to_event(intent, row.money))


# --- the whole account ------------------------------------------------------------------------


@dataclass(slots=True)
class AccountListing:
    """The account's refunds and disputes since the last look, twice per webhook window."""

    tools: Tools
    _window_seconds: float = WINDOW_SECONDS_MAX
    _looked_at: float = 0.0
    # Its own: that a list is too long says nothing of the gateway.
    _outage: Outage = field(
        default_factory=lambda: Outage(logger, "the list of the account's refunds and disputes")
    )

    def look(self) -> int:
        """Read the next window; returns 1 while there is more of the past to read."""
        pause = max(self.tools.settings.webhook_window_seconds / 2, PAUSE_SECONDS_MIN)
        now = time.monotonic()
        if now - self._looked_at < pause:
            return 0
        with self.tools.pool.connection() as conn:
            since, until = outside.listed_to(conn), reconcile.environment_seconds(conn)
        end = min(until, since + self._window_seconds)
        question = partial(
            self.tools.gateway.moved,
            created_gte=max(int(since) - MARGIN_SECONDS, 0),
            created_lte=int(end) + MARGIN_SECONDS,
        )
        self.tools.tell_of_progress()
        try:
            found = question()
        except GatewayUnavailableError as error:
            # Away, or more than one look can read.
            self._outage.failed(error)
            self._window_seconds = max(self._window_seconds / 2, WINDOW_SECONDS_MIN)
            self._looked_at = now
            return 0
        self._outage.recovered()
        self._window_seconds = min(self._window_seconds * 2, WINDOW_SECONDS_MAX)
        self._take(*found, read_at=until)
        with self.tools.pool.connection() as conn:
            outside.note_listed(conn, end)
        if end < until:
            return 1
        self._looked_at = now
        return 0

    def _take(
        self, refunds: Sequence[FoundRefund], disputes: Sequence[FoundDispute], *, read_at: float
    ) -> None:
        """Write what is ours of it; of others who use the account nothing is kept."""
        named = {entry.payment_intent_id for entry in refunds}
        named |= {entry.payment_intent_id for entry in disputes}
        with self.tools.pool.connection() as conn:
            ours = list(outside.ours_among(conn, sorted(filter(None, named))))
        for intent in ours:
            found = Found(
                [entry for entry in refunds if entry.payment_intent_id == intent],
                [entry for entry in disputes if entry.payment_intent_id == intent],
                read_at,
            )
            with self.tools.pool.connection() as conn:
                row = outside.lock_payment_of(conn, intent)
                changed = _record(self.tools, conn, row, found) if row is not None else 0
            if changed:
                logger.warning(
                    "money was moved by others; the list told it before any event",
                    extra={"payment_intent_id": intent, "changed": changed},
                )
