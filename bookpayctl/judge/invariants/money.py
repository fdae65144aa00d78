"""I10-I15, I30: what customers were charged, against what they were sold.

Charges are read from Stripe, never inferred from our own rows: our rows are what is on trial.
"""

from __future__ import annotations

from collections.abc import Iterator

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.ledgers import ChargeRow, OrderRow
from bookpayctl.report.money import shown_money
from runtime.domain.names import EventType, OrderStatus, PaymentState, ReservationState


def nobody_charged_twice(facts: Facts) -> Finding:
    """I10: at most one succeeded charge per order, even if a second one was refunded later."""
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
    )


def paid_orders_were_charged(facts: Facts) -> Finding:
    """I11: a paid order has one charge of its amount and currency, and the shop still holds it.

    Orders that v1 charged while our gateway shadowed it are v1's to prove.
    """
    paid = [
        order
        for order in facts.judged.values()
        if order.status == OrderStatus.PAID
        and not facts.was_taken_by_v1(facts.payment_by_order.get(order.id))
    ]

    def violations() -> Iterator[Violation]:
        for order in paid:
            charges = facts.succeeded_charges.get(order.id, [])
            net = facts.net_cents(order.id)
            if not any(_matches(charge, order) for charge in charges):
                yield Violation(order.id, "paid, but Stripe has no such charge", order.total_cents)
            elif net != order.total_cents:
                yield Violation(
                    order.id,
                    f"paid {shown_money(order.total_cents, order.currency)},"
                    f" Stripe holds {shown_money(net, order.currency)}",
                    abs(order.total_cents - net),
                )

    return finding(len(paid), violations())


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
            net = facts.net_cents(order.id)
            if net != 0:
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

    return finding(len(done), violations())


def refunds_stay_within_charges(facts: Facts) -> Finding:
    """I15: never more given back than was taken, and one succeeded refund per order."""
    refunded = {oid: rows for oid, rows in facts.refunds_by_order.items() if oid in facts.judged}

    def violations() -> Iterator[Violation]:
        for order_id, refunds in refunded.items():
            back = [r for r in refunds if r.status == "succeeded"]
            taken = sum(c.amount_cents for c in facts.succeeded_charges.get(order_id, ()))
            total = sum(r.amount_cents for r in back)
            if total > taken:
                currency = facts.judged[order_id].currency
                took, gave = shown_money(taken, currency), shown_money(total, currency)
                yield Violation(order_id, f"took {took}, gave back {gave}", total - taken)
            elif len(back) > 1:
                yield Violation(order_id, f"{len(back)} succeeded refunds", back[1].amount_cents)

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


def _matches(charge: ChargeRow, order: OrderRow) -> bool:
    return charge.amount_cents == order.total_cents and charge.currency == order.currency
