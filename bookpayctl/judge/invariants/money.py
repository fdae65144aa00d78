"""I10-I15, I30: what customers were charged, against what they were sold.

Charges are read from Stripe, never inferred from our own rows: our rows are what is on trial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.invariants.outside import (
    Gone,
    explained_of,
    gone_of,
    is_our_refund,
    unexplained_of,
)
from bookpayctl.judge.rows import ChargeRow, OrderRow
from bookpayctl.report.money import shown_money
from runtime.domain.names import EventType, OrderStatus, PaymentState, ReservationState


def nobody_charged_twice(facts: Facts) -> Finding:
    """I10: at most one succeeded charge per order, even if a second one was refunded later."""
    shadows = facts.shadows
    amount = _sum((intent.amount_cents, intent.currency) for intent in shadows)
    return finding(
        len(facts.judged),
        (
            Violation(
                order_id,
                f"{len(charges)} succeeded charges: " + ", ".join(c.id for c in charges),
                sum(c.amount_cents for c in charges[1:]),
            )
            for order_id, charges in facts.succeeded_charges.items()
            if order_id in facts.judged and len(charges) > 1
        ),
        excused=_excused(
            len(shadows), f"PaymentIntents of {amount} that our tables say only shadowed v1"
        ),
    )


def paid_orders_were_charged(facts: Facts) -> Finding:
    """I11: a paid order has one charge of its amount and currency, and the shop still holds it.

    Money that a bank or somebody else took back is not held: where our tables say the same it is
    explained, and a warning. Orders that v1 charged while our gateway shadowed it are v1's to
    prove.
    """
    paid = [order for order in facts.customers_orders.values() if order.status == OrderStatus.PAID]
    by_v1 = {o.id for o in paid if facts.was_taken_by_v1(facts.payment_by_order.get(o.id))}
    ours = [order for order in paid if order.id not in by_v1]
    examined = [order for order in ours if order.id in facts.judged]
    gone = {order.id: gone_of(facts, order) for order in ours}
    found = [v for order in examined for v in _not_held(facts, order, gone[order.id])]
    v1_took = _sum((o.total_cents, o.currency) for o in paid if o.id in by_v1)
    return finding(
        len(examined),
        found,
        waiting=sum(not g.known and not g.due for rows in gone.values() for g in rows),
        # Also of orders that are too young to be judged: nothing is alleged, it is only named.
        explained=(explained_of(g, oid) for oid, rows in gone.items() for g in rows if g.known),
        excused=_excused(len(by_v1), f"orders of {v1_took} that v1 charged"),
    )


def _not_held(facts: Facts, order: OrderRow, gone: list[Gone]) -> Iterator[Violation]:
    """Why the money of a paid order is not there, as far as our tables do not say it."""
    charges = facts.succeeded_charges.get(order.id, [])
    if not any(_matches(charge, order) for charge in charges):
        yield Violation(order.id, "paid, but Stripe has no such charge", order.total_cents)
        return
    unknown = [part for part in gone if not part.known and part.due]
    yield from (unexplained_of(part, order.id) for part in unknown)
    net = facts.net_cents(order.id) + sum(part.amount_cents for part in gone)
    if net != order.total_cents:
        yield Violation(
            order.id,
            f"paid {shown_money(order.total_cents, order.currency)},"
            f" Stripe holds {shown_money(net, order.currency)}",
            abs(order.total_cents - net),
        )


def charged_orders_are_paid(facts: Facts) -> Finding:
    """I12: where the shop holds money, the order says paid."""
    charged = [oid for oid in facts.succeeded_charges if oid in facts.judged]

    def violations() -> Iterator[Violation]:
        for order_id in charged:
            net, order = facts.net_cents(order_id), facts.judged[order_id]
            if net > 0 and order.status != OrderStatus.PAID:
                money = shown_money(net, order.currency)
                yield Violation(order_id, f"Stripe holds {money}, the order is {order.status}", net)

    return finding(len(charged), violations())


def charges_have_orders(facts: Facts) -> Finding:
    """I13: every charge that carries our environment's name belongs to an order."""
    examined = 0
    found: list[Violation] = []
    for order_id, charges in facts.succeeded_charges.items():
        for charge in charges:
            intent = facts.intents[charge.payment_intent_id or ""]
            if not facts.is_ours(intent):
                continue
            examined += 1
            if order_id not in facts.all_order_ids:
                found.append(
                    Violation(
                        charge.id, f"charged for order {order_id!r}: none", charge.amount_cents
                    )
                )
    return finding(examined, found)


def cancelled_orders_are_compensated(facts: Facts) -> Finding:
    """I14: a cancelled or refunded order keeps no money, no stock, and said so."""
    done = [
        order
        for order in facts.judged.values()
        if order.status in (OrderStatus.CANCELLED, OrderStatus.REFUNDED)
    ]

    def violations() -> Iterator[Violation]:
        for order in done:
            gone = gone_of(facts, order)
            yield from (
                unexplained_of(part, order.id) for part in gone if not part.known and part.due
            )
            # Given back and taken back once more by the bank: lost money, and nothing is kept.
            net = facts.net_cents(order.id)
            if net > 0 or (net < 0 and not gone):
                money = shown_money(net, order.currency)
                yield Violation(order.id, f"{order.status}, Stripe still holds {money}", net)
            held = [
                r.sku
                for r in facts.reservations_by_order.get(order.id, ())
                if r.state != ReservationState.RELEASED
            ]
            if held:
                yield Violation(order.id, f"{order.status}, stock not released: {', '.join(held)}")
            events = facts.outbox_by_order.get(order.id, ())
            if not any(row.event_type == EventType.ORDER_CANCELLED for row in events):
                yield Violation(order.id, f"{order.status}, no OrderCancelled was emitted")

    return finding(
        len(done),
        violations(),
        explained=(
            explained_of(part, order.id)
            for order in done
            for part in gone_of(facts, order)
            if part.known and facts.net_cents(order.id) < 0
        ),
    )


def refunds_stay_within_charges(facts: Facts) -> Finding:
    """I15: never more given back than was taken, and one succeeded refund of ours per order."""
    refunded = {oid: rows for oid, rows in facts.refunds_by_order.items() if oid in facts.judged}

    def violations() -> Iterator[Violation]:
        for order_id, refunds in refunded.items():
            back = [r for r in refunds if r.status == "succeeded"]
            taken = sum(c.amount_cents for c in facts.succeeded_charges.get(order_id, ()))
            total = sum(r.amount_cents for r in back)
            if total > taken:
                currency = facts.judged[order_id].currency
                yield Violation(
                    order_id,
                    f"took {shown_money(taken, currency)}, gave back"
                    f" {shown_money(total, currency)}",
                    total - taken,
                )
                continue
            # Others may give back in parts; that our tables know each of them is asked elsewhere.
            known = facts.known_outside_refunds
            ours = [r for r in back if is_our_refund(facts, r) or r.id not in known]
            # A refund that came back is owed again, and given by another one.
            returned = [r for r in refunds if r.status in ("failed", "canceled")]
            if len(ours) > 1 + len(returned):
                yield Violation(order_id, f"{len(ours)} succeeded refunds", ours[1].amount_cents)

    return finding(len(refunded), violations())


def succeeded_payments_have_charges(facts: Facts) -> Finding:
    """I30: a payment that says it took money names a PaymentIntent whose charge did."""
    took = (PaymentState.SUCCEEDED, PaymentState.REFUNDING, PaymentState.REFUNDED)
    rows = [row for row in facts.payments if row.state in took and not facts.was_taken_by_v1(row)]

    def violations() -> Iterator[Violation]:
        for row in rows:
            charges = facts.succeeded_charges.get(row.order_id, ())
            matching = [
                c
                for c in charges
                if c.payment_intent_id == row.payment_intent_id
                and c.amount_cents == row.amount_cents
                and c.currency == row.currency
            ]
            if not matching:
                yield Violation(
                    row.order_id,
                    f"payment is {row.state} with {row.payment_intent_id}, no such charge",
                    row.amount_cents,
                )

    return finding(len(rows), violations())


def _sum(amounts: Iterable[tuple[int, str]]) -> str:
    """Amounts added up, each currency by itself."""
    sums: Counter[str] = Counter()
    for cents, currency in amounts:
        sums[currency] += cents
    return " and ".join(shown_money(cents, currency) for currency, cents in sorted(sums.items()))


def _excused(count: int, words: str) -> tuple[str, ...]:
    return (f"excused: {count} {words}",) if count else ()


def _matches(charge: ChargeRow, order: OrderRow) -> bool:
    return charge.amount_cents == order.total_cents and charge.currency == order.currency
