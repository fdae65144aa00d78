"""BP-O003: payments come to an end, whatever Stripe said in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, cannot_tell, warned
from bookpayctl.targets.asked import ledger_of
from bookpayctl.targets.status import OpenPayments, UnknownFact
from runtime.domain.names import PaymentState

AGE_SECONDS_MAX: Final = 15 * 60.0
"""Time-outs are asked about within minutes; what is open longer has met something else."""

WITH_OTHERS: Final = frozenset({PaymentState.PROCESSING.value, PaymentState.REFUNDING.value})
"""Open until a customer or a bank decides, which may take days."""


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask the database which payments are open, and since when."""
    found = ledger_of(inquiry.environment)
    if isinstance(found, UnknownFact):
        return cannot_tell(found.reason, fix="bookpayctl status")
    return answer(found.open_payments)


def answer(found: Sequence[OpenPayments]) -> CheckAnswer:
    """What it means that so many payments are open for so long."""
    worries = [
        f"{one.count} {one.state}, the oldest for {one.oldest_seconds / 60:.0f} min"
        for one in found
        if one.state not in WITH_OTHERS and one.oldest_seconds > AGE_SECONDS_MAX
    ]
    seen = ", ".join(f"{one.count} {one.state}" for one in found) or "none open"
    evidence = [f"{one.state}: {one.count}, the oldest {one.oldest_seconds:.0f} s" for one in found]
    examined = max(1, sum(one.count for one in found))
    return warned(worries, seen, examined, evidence or ["no payment is open"])


CHECK: Final = Check(
    id="BP-O003",
    title="payments settle",
    question="Does every payment come to an end, also one whose outcome was unknown?",
    required=f"none open for more than {AGE_SECONDS_MAX / 60:.0f} min, but those that wait for a"
    " customer or a bank",
    why="Somebody may be charged whose order is not paid, and nobody looks again.",
    fix="bookpayctl order list --status pending; bookpayctl logs payments-reconciler",
    ask=ask,
    category=Category.OPERATIONS,
)
