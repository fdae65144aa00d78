"""I32-I37: contents along the chain, from the order to the charge and to the letter.

A count that is right hides a row that says something else. So what each ledger says of one thing is
held against what the next one says of it: amounts, payloads, calls, charges, letters, webhooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.rows import OrderRow, OutboxRow
from bookpayctl.report.money import shown_money, shown_sums
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, TOPICS_OF_GROUP, EventType, Service

# What was given back may be a part of the order, and a dead letter repeats what it was made of.
WHOLE_AMOUNT: Final = frozenset(
    {
        *(EventType.ORDER_PLACED, EventType.ORDER_PAID, EventType.ORDER_CANCELLED),
        *(EventType.PAYMENT_COMPLETED, EventType.PAYMENT_FAILED),
    }
)

CHARGES: Final = frozenset({"charge", "shadow_charge"})
"""What the gateway calls the creation of a PaymentIntent in its journal."""


def amounts_agree(facts: Facts) -> Finding:
    """I32: an order, its payment, its events and its PaymentIntent say one amount and currency."""
    examined = 0
    found: list[Violation] = []
    for order in facts.judged.values():
        wanted = (order.total_cents, order.currency)
        for name, said in _said_of(facts, order):
            examined += 1
            if said != wanted:
                amounts = f"{name} says {_money(said)}, the order {_money(wanted)}"
                found.append(Violation(order.id, amounts, abs((said[0] or 0) - order.total_cents)))
    return finding(examined, found)


Said = tuple[int | None, str | None]


def _said_of(facts: Facts, order: OrderRow) -> Iterator[tuple[str, Said]]:
    payment = facts.payment_by_order.get(order.id)
    if payment is not None:
        yield "its payment", (payment.amount_cents, payment.currency)
        intent = facts.intents.get(payment.payment_intent_id or "")
        if intent is not None:
            yield intent.id, (intent.amount_cents, intent.currency)
    for event in facts.outbox_by_order.get(order.id, ()):
        # An event written by hand may leave out what the chapter leaves out.
        if event.event_type in WHOLE_AMOUNT and event.has_amount:
            yield f"{event.event_type} {event.event_id}", (event.amount_cents, event.currency)


def _money(said: Said) -> str:
    amount, currency = said
    if amount is None or currency is None:
        return f"{amount} {currency}"
    return shown_money(amount, currency)


def records_are_their_rows(facts: Facts) -> Finding:
    """I33: a record has the key, topic and payload of its outbox row, each time it was sent."""
    if facts.debezium:
        # Change data capture writes the payload in its own way.
        return finding(0, ())
    examined = 0
    found: list[Violation] = []
    for row in facts.database.outbox:
        for record in facts.records_by_event.get(row.event_id, ()):
            examined += 1
            topic = TOPIC_OF_EVENT_TYPE.get(row.event_type)
            differs = [
                name
                for name, same in (
                    ("topic", topic is None or record.topic == topic),
                    ("key", record.key in _keys_of(row)),
                    ("payload", None in (record.payload_sha256, row.payload_sha256)
                     or record.payload_sha256 == row.payload_sha256),
                )
                if not same
            ]  # fmt: skip
            if differs:
                place = f"{record.topic}/{record.partition}/{record.offset}"
                words = f"{place} has another {' and '.join(differs)} than its {row.event_type}"
                found.append(Violation(row.order_id, words))
    return finding(examined, found)


def _keys_of(row: OutboxRow) -> frozenset[str]:
    """The Kafka key of an event: its root as a UUID is written, else its own id."""
    try:
        return frozenset({str(UUID(row.root_event_id))})
    except ValueError:
        return frozenset({row.root_event_id, row.event_id})


def journal_has_every_call(facts: Facts) -> Finding:
    """I34: every PaymentIntent and refund of ours at Stripe has its call in our journal.

    The row is written before the call leaves, so there is no moment in which it may be missing.
    """
    calls = facts.database.calls or ()
    charged = {call.key for call in calls if call.operation in CHARGES}
    refunded = {call.key for call in calls if call.operation == "refund"}
    intents = facts.stripe.intents if facts.stripe else ()
    ours = [i for i in intents if facts.is_ours(i) and i.event_id is not None]
    refunds = [r for r in facts.database.refunds if r.stripe_refund_id is not None]
    missing = [
        Violation(i.order_id or i.id, f"{i.id} was made, our journal has no call", i.amount_cents)
        for i in ours
        if i.event_id not in charged
    ]
    missing += [
        Violation(str(r.stripe_refund_id), "a refund was made, our journal has no call")
        for r in refunds
        if r.idempotency_key not in refunded
    ]
    return finding(len(ours) + len(refunds), missing)


def charges_are_claimed(facts: Facts) -> Finding:
    """I35: every succeeded charge in the account says whose it is, unless others use it, too."""
    intents = {row.id: row for row in (facts.stripe.intents if facts.stripe else ())}
    named = {row.payment_intent_id for row in facts.database.payments} | facts.database.v1_intents
    examined = 0
    unclaimed: list[Violation] = []
    for charge in facts.stripe.charges if facts.stripe else ():
        if charge.status != "succeeded" or not facts.is_due_at_stripe(charge.created_at):
            continue
        examined += 1
        intent = intents.get(charge.payment_intent_id or "")
        names = (intent.environment, intent.order_id, intent.event_id) if intent else (None,)
        if any(names) or charge.payment_intent_id in named - {None}:
            continue
        words = f"{shown_money(charge.amount_cents, charge.currency)} taken for nobody we know"
        unclaimed.append(Violation(charge.id, words, charge.amount_cents))
    if facts.account_is_shared and unclaimed:
        money = shown_sums((v.amount_cents, "usd") for v in unclaimed)
        excused = f"excused: {len(unclaimed)} charges of {money} of others in a shared account"
        return finding(examined, (), excused=(excused,))
    return finding(examined, unclaimed)


def customers_were_told(facts: Facts) -> Finding:
    """I36: every event that customers are told of has its letter, or a dead letter, on record."""
    told = TOPICS_OF_GROUP[Service.NOTIFIER]
    aside = {letter.event_id for letter in facts.database.dead_letters}
    notified = facts.database.notified or frozenset()

    def is_due(row: OutboxRow) -> bool:
        topic = TOPIC_OF_EVENT_TYPE.get(row.event_type)
        return topic in told and row.published and facts.is_due(row.created_at)

    due = [row for row in facts.outbox if is_due(row)]
    return finding(
        len(due),
        (
            Violation(row.order_id, f"no letter for {row.event_type} {row.event_id}")
            for row in due
            if row.event_id not in notified and row.event_id not in aside
        ),
    )


def delivered_webhooks_are_stored(facts: Facts) -> Finding:
    """I37: every webhook that Stripe delivered, and we acknowledged, is stored."""
    delivered = (facts.stripe.delivered if facts.stripe else None) or ()
    stored = {row.event_id for row in facts.database.webhooks}
    return finding(
        len(delivered),
        (
            Violation(event_id, "Stripe delivered it and got a 2xx; it is not stored")
            for event_id in sorted(delivered)
            if event_id not in stored
        ),
    )
