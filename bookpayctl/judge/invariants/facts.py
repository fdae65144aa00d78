"""The ledgers side by side, cut off in time, with probes taken out, and looked up by order.

Judged are orders created before `cut_off` that no run registered as a probe. Everything an
invariant needs to join is indexed here once, so that each invariant reads as its definition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, TypeVar

from bookpayctl.judge.rows import (
    ChargeRow,
    Database,
    DisputeRow,
    History,
    IntentRow,
    Log,
    OrderRow,
    OutboxRow,
    OutsideRefundRow,
    PaymentRow,
    RecordRow,
    ReservationRow,
    Stripe,
    StripeDisputeRow,
    StripeRefundRow,
    StripeRequestRow,
    Transition,
)

T = TypeVar("T")

MONEY_NOT_TAKEN: Final = frozenset({"won", "prevented", "charge_refunded"})
"""Ends of a dispute after which the shop holds the money, or Stripe took none."""

# How far the clock of a service may be ahead of the database's. What is dated later than this is
# not young: nothing that is being worked on now can have been made then.
CLOCK_SKEW_MAX: Final = timedelta(minutes=1)


def is_due(moment: datetime, *, cut_off: datetime, read_at: datetime) -> bool:
    """Whether something of that date is judged: older than the cut-off, or dated ahead of now.

    A date is written by what is judged. One that lies ahead would put a row off for ever.
    """
    return moment < cut_off or moment > read_at + CLOCK_SKEW_MAX


@dataclass(frozen=True, slots=True)
class Excluded:
    """Ids that runs registered as their own doing, so that they are not judged as customers'.

    Orders are named by their client key, which is known, and on record, before they are placed.
    """

    client_keys: frozenset[str] = frozenset()
    event_ids: frozenset[str] = frozenset()
    stripe_event_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Facts:
    """What is judged.

    Attributes:
        environment: the `env` our PaymentIntents carry in their metadata.
        cut_off: orders created at or after this are not judged; database clock.
        webhook_window: how long a payment may wait for its customer before it must be closed.
        debezium: events leave by change data capture, so `published_at` stays null by design.
        log: None when Kafka could not be read; then what needs it is unknown.
        stripe: None when Stripe keeps no ledger (stripe-mock) or could not be read.
        history: None when no client history was given; then I01 and I02 are skipped.
        absent: why a ledger is None, by the names `log`, `stripe`, `history`.
        tapped: the POSTs that the recording tap saw; None where none records.
        account_is_shared: others use the Stripe account, too, as the operator declared.
    """

    environment: str
    cut_off: datetime
    database: Database
    log: Log | None
    stripe: Stripe | None
    history: History | None
    excluded: Excluded = field(default_factory=Excluded)
    webhook_window: timedelta = timedelta(minutes=15)
    debezium: bool = False
    absent: dict[str, str] = field(default_factory=dict)
    tapped: tuple[StripeRequestRow, ...] | None = None
    account_is_shared: bool = False

    @cached_property
    def judged(self) -> dict[str, OrderRow]:
        """Orders old enough to be judged, without probes, by id."""
        return {
            order.id: order
            for order in self.database.orders
            if self.is_due(order.created_at) and order.client_key not in self.excluded.client_keys
        }

    def is_due(self, moment: datetime) -> bool:
        """Whether what our own rows date so is judged; see the function of this name."""
        return is_due(moment, cut_off=self.cut_off, read_at=self.database.read_at)

    def is_due_at_stripe(self, moment: datetime | None) -> bool:
        """The same of a time that Stripe tells; drills move its clock and ours together.

        What Stripe does not date is judged.
        """
        return moment is None or self.is_due(moment - self.database.clock_ahead)

    @cached_property
    def dated_ahead(self) -> list[OrderRow]:
        """Judged orders whose date has not come yet."""
        latest = self.database.read_at + CLOCK_SKEW_MAX
        return [order for order in self.judged.values() if order.created_at > latest]

    @cached_property
    def customers_orders(self) -> dict[str, OrderRow]:
        """Every order that is no probe, judged or too young, by id."""
        keys = self.excluded.client_keys
        return {order.id: order for order in self.database.orders if order.client_key not in keys}

    @cached_property
    def all_order_ids(self) -> frozenset[str]:
        return frozenset(order.id for order in self.database.orders)

    @cached_property
    def payments(self) -> list[PaymentRow]:
        """Payments of judged orders."""
        return [row for row in self.database.payments if row.order_id in self.judged]

    @cached_property
    def payment_by_order(self) -> dict[str, PaymentRow]:
        return {row.order_id: row for row in self.database.payments}

    def was_taken_by_v1(self, payment: PaymentRow | None) -> bool:
        """Whether v1 took this payment's money, at a Stripe we do not judge."""
        return (
            payment is not None
            and payment.payment_intent_id in self.database.v1_intents
            and payment.event_id in self.database.shadowed_events
        )

    @cached_property
    def outbox(self) -> list[OutboxRow]:
        """Events of judged orders, without the events that probes put there."""
        return [
            row
            for row in self.database.outbox
            if row.order_id in self.judged and row.event_id not in self.excluded.event_ids
        ]

    @cached_property
    def outbox_by_order(self) -> dict[str, list[OutboxRow]]:
        return group(self.outbox, lambda row: row.order_id)

    @cached_property
    def reservations_by_order(self) -> dict[str, list[ReservationRow]]:
        return group(self.database.reservations, lambda row: row.order_id)

    @cached_property
    def records_by_event(self) -> dict[str, list[RecordRow]]:
        records = self.log.records if self.log else ()
        return group((r for r in records if r.event_id), lambda row: str(row.event_id))

    @cached_property
    def intents(self) -> dict[str, IntentRow]:
        """PaymentIntents by id, shadow ones left out: v1 took that money, not we."""
        rows = self.stripe.intents if self.stripe else ()
        return {row.id: row for row in rows if not self.is_shadow(row)}

    def is_shadow(self, intent: IntentRow) -> bool:
        """Whether it only shadowed v1: it says so itself, and so do our own tables.

        Its word alone excuses nothing: anybody may write metadata.
        """
        if not intent.shadow or intent.event_id not in self.database.shadowed_events:
            return False
        return intent.id not in self._intents_acted_on

    @cached_property
    def _intents_acted_on(self) -> frozenset[str]:
        """PaymentIntents that our payments name, but for those that v1 made."""
        named = {row.payment_intent_id for row in self.database.payments if row.payment_intent_id}
        return frozenset(named - self.database.v1_intents)

    @property
    def requests(self) -> tuple[StripeRequestRow, ...] | None:
        """The POSTs that Stripe's own journal shows, else those that the recording tap saw."""
        journal = self.stripe.requests if self.stripe else None
        return journal if journal is not None else self.tapped

    @cached_property
    def our_request_ids(self) -> frozenset[str]:
        """Request ids that the gateway's journal has: those requests were ours."""
        calls = self.database.calls or ()
        return frozenset(call.request_id for call in calls if call.request_id)

    @cached_property
    def shadows(self) -> list[IntentRow]:
        """The PaymentIntents that were left out."""
        rows = self.stripe.intents if self.stripe else ()
        return [row for row in rows if self.is_shadow(row)]

    def is_ours(self, intent: IntentRow) -> bool:
        """Whether this environment made the PaymentIntent; others may share the account.

        One that lost its `env` is still ours when it names an order or event.
        """
        if intent.environment is not None:
            return intent.environment == self.environment
        return intent.order_id is not None or intent.event_id is not None

    @cached_property
    def our_stripe_objects(self) -> frozenset[str]:
        """Ids of our PaymentIntents and of the refunds made for them."""
        ours = {intent.id for intent in self.intents.values() if self.is_ours(intent)}
        refunds = self.stripe.refunds if self.stripe else ()
        return frozenset(ours | {r.id for r in refunds if r.payment_intent_id in ours})

    @cached_property
    def order_of_intent(self) -> dict[str, str]:
        """Order id by PaymentIntent id: Stripe's metadata first, our row where that is silent."""
        found = {
            row.payment_intent_id: row.order_id
            for row in self.database.payments
            if row.payment_intent_id
        }
        found.update({i.id: i.order_id for i in self.intents.values() if i.order_id})
        return found

    @cached_property
    def succeeded_charges(self) -> dict[str, list[ChargeRow]]:
        """Succeeded charges by order id."""
        return group(
            (c for c in self._charges if c.status == "succeeded"),
            lambda c: self.order_of_intent.get(c.payment_intent_id or "", ""),
        )

    @cached_property
    def _charges(self) -> list[ChargeRow]:
        rows = self.stripe.charges if self.stripe else ()
        return [c for c in rows if c.payment_intent_id in self.intents]

    @cached_property
    def refunds_by_order(self) -> dict[str, list[StripeRefundRow]]:
        rows = self.stripe.refunds if self.stripe else ()
        return group(rows, lambda r: self.order_of_intent.get(r.payment_intent_id or "", ""))

    def net_cents(self, order_id: str) -> int:
        """What the shop holds of this order's money at Stripe: charged less given back."""
        charged = sum(c.amount_cents for c in self.succeeded_charges.get(order_id, ()))
        returned = sum(
            r.amount_cents
            for r in self.refunds_by_order.get(order_id, ())
            if r.status in ("succeeded", "pending")
        )
        return charged - returned - sum(d.amount_cents for d in self.withdrawn(order_id))

    def withdrawn(self, order_id: str) -> list[StripeDisputeRow]:
        """Disputes that hold the order's money back now, or have taken it for good.

        Stripe takes the amount when a dispute opens and gives it back when it is won; a warning,
        an inquiry, takes nothing.
        """
        rows = self.disputes_by_order.get(order_id, ())
        return [row for row in rows if dispute_stands(row.status) in ("open", "lost")]

    @cached_property
    def disputes_by_order(self) -> dict[str, list[StripeDisputeRow]]:
        rows = self.stripe.disputes if self.stripe else ()
        intent_of_charge = {c.id: c.payment_intent_id for c in self._charges}
        return group(
            rows,
            lambda d: self.order_of_intent.get(
                d.payment_intent_id or intent_of_charge.get(d.charge_id or "") or "", ""
            ),
        )

    @cached_property
    def payment_transitions(self) -> dict[str, list[Transition]]:
        """Steps by root event id, in order; refused events moved nothing and are left out."""
        rows = (t for t in self.database.payment_transitions if t.kind != "refused")
        return group(sorted(rows, key=lambda t: t.sequence), lambda t: t.subject)

    @cached_property
    def order_transitions(self) -> dict[str, list[Transition]]:
        rows = sorted(self.database.order_transitions, key=lambda t: t.sequence)
        return group(rows, lambda t: t.subject)

    @cached_property
    def our_refund_ids(self) -> frozenset[str]:
        """Ids of our refunds, by our name and by Stripe's."""
        rows = self.database.refunds
        return frozenset(
            {r.refund_id for r in rows} | {r.stripe_refund_id for r in rows if r.stripe_refund_id}
        )

    @cached_property
    def last_event_at(self) -> dict[str, datetime]:
        """When Stripe last had news of an object, by its id."""
        found: dict[str, datetime] = {}
        for event in self.stripe.events if self.stripe else ():
            if event.object_id is not None and event.created_at is not None:
                known = found.get(event.object_id)
                found[event.object_id] = max(known or event.created_at, event.created_at)
        return found

    @cached_property
    def known_disputes(self) -> dict[str, DisputeRow]:
        return {row.stripe_dispute_id: row for row in self.database.disputes}

    @cached_property
    def known_outside_refunds(self) -> dict[str, OutsideRefundRow]:
        return {row.stripe_refund_id: row for row in self.database.outside_refunds}

    def may_still_wait(self, payment: PaymentRow) -> bool:
        """Whether an open payment is open by right: its customer, a bank or Stripe has time left.

        Money goes back when a dispute has ended, or when a refund that was made has arrived.
        """
        if payment.state == "refunding":
            return self._is_with_a_bank(payment.order_id)
        if payment.state != "processing":
            return False
        intent = self.intents.get(payment.payment_intent_id or "")
        if intent is not None and intent.status == "processing":
            return True
        return self.database.read_at - payment.created_at < self.webhook_window

    def _is_with_a_bank(self, order_id: str) -> bool:
        disputes = self.disputes_by_order.get(order_id, ())
        refunds = self.refunds_by_order.get(order_id, ())
        return any(dispute_stands(d.status) == "open" for d in disputes) or any(
            r.status in ("pending", "requires_action") for r in refunds
        )


def dispute_stands(status: str) -> str:
    """Stripe's word for a dispute as what it means for the money: open, lost, or none."""
    if status == "lost":
        return "lost"
    # Words of next year are taken for open: then the money is missed, not held by assumption.
    return "none" if status in MONEY_NOT_TAKEN or status.startswith("warning") else "open"


def group(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Rows by key, in the order they came."""
    found: dict[str, list[T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)
