"""Money that others moved: disputes, and refunds that are not ours.

A bank takes the money of a paid order back, or somebody gives it back in the dashboard. Stripe
says so; our own tables have to say the same, or the shop ships what nobody pays for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bookpayctl.judge.invariants.facts import Facts, dispute_stands
from bookpayctl.judge.invariants.finding import Violation
from bookpayctl.judge.rows import OrderRow, StripeDisputeRow, StripeRefundRow
from bookpayctl.report.money import shown_money

COUNTED_REFUNDS: Final = ("succeeded", "pending")


@dataclass(frozen=True, slots=True)
class Gone:
    """Money of one order that the shop does not hold any more.

    Attributes:
        known: our own tables say the same.
        due: it is old enough for them to say so.
    """

    words: str
    amount_cents: int
    known: bool
    due: bool


def gone_of(facts: Facts, order: OrderRow) -> list[Gone]:
    """What others took from this order's money: disputes that stand, refunds that are not ours."""
    disputes = [_disputed(facts, row, order.currency) for row in facts.withdrawn(order.id)]
    refunds = [
        _refunded(facts, row, order.currency)
        for row in facts.refunds_by_order.get(order.id, ())
        if row.status in COUNTED_REFUNDS and not is_our_refund(facts, row)
    ]
    return [*disputes, *refunds]


def is_our_refund(facts: Facts, refund: StripeRefundRow) -> bool:
    """Whether a row of ours asked for it."""
    return refund.id in facts.our_refund_ids or refund.refund_id in facts.our_refund_ids


def explained_of(gone: Gone, order_id: str) -> Violation:
    return Violation(order_id, f"{gone.words}, as our tables say", gone.amount_cents)


def unexplained_of(gone: Gone, order_id: str) -> Violation:
    return Violation(order_id, f"{gone.words}; our tables do not know it", gone.amount_cents)


def _disputed(facts: Facts, dispute: StripeDisputeRow, currency: str) -> Gone:
    stands = dispute_stands(dispute.status)
    row = facts.known_disputes.get(dispute.id)
    known = (
        row is not None
        and row.amount_cents == dispute.amount_cents
        and dispute_stands(row.status) == stands
    )
    money = shown_money(dispute.amount_cents, currency)
    words = f"{money} not held any more: dispute {dispute.id} is {dispute.status}"
    # A dispute that was lost today may have been opened long ago.
    told_at = facts.last_event_at.get(dispute.id) or dispute.created_at
    return Gone(words, dispute.amount_cents, known, facts.is_due_at_stripe(told_at))


def _refunded(facts: Facts, refund: StripeRefundRow, currency: str) -> Gone:
    row = facts.known_outside_refunds.get(refund.id)
    known = row is not None and row.amount_cents == refund.amount_cents
    words = f"{shown_money(refund.amount_cents, currency)} given back outside by {refund.id}"
    return Gone(words, refund.amount_cents, known, facts.is_due_at_stripe(refund.created_at))
