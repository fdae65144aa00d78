"""BP-O004: nothing lies where only a person takes it up again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, cannot_tell, warned
from bookpayctl.targets.asked import ledger_of
from bookpayctl.targets.status import UnknownFact, Waiting

WHERE_TO_LOOK: Final = {
    "refunds failed": "bookpayctl refund list",
    "webhooks quarantined": "bookpayctl webhook quarantine list",
    "dead letters": "bookpayctl dlq list",
    "disputes open": "bookpayctl status",
}
"""What waits for a person -> the command that shows it; the rest of `status` moves by itself."""


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask the database what waits."""
    found = ledger_of(inquiry.environment)
    if isinstance(found, UnknownFact):
        return cannot_tell(found.reason, fix="bookpayctl status")
    return answer(found.waiting)


def answer(found: Sequence[Waiting]) -> CheckAnswer:
    """What it means that so much waits."""
    places = [one for one in found if one.what in WHERE_TO_LOOK]
    waiting = [one for one in places if one.count]
    worries = [f"{one.count} {one.what}" for one in waiting]
    fix = "; ".join(dict.fromkeys(WHERE_TO_LOOK[one.what] for one in waiting))
    seen = ", ".join(f"{one.count} {one.what}" for one in places)
    evidence = [f"{one.what}: {one.count}, the oldest {one.oldest_seconds:.0f} s" for one in places]
    return warned(worries, seen, len(places), evidence, fix)


CHECK: Final = Check(
    id="BP-O004",
    title="nothing waits for a person",
    question="Does anything lie in a dead letter queue, in quarantine, or unpaid to a customer?",
    required="no open dead letter, no webhook in quarantine, no failed refund, no open dispute",
    why="Each is an event or a customer's money that nobody takes up again without a person.",
    fix="bookpayctl status",
    ask=ask,
    category=Category.OPERATIONS,
)
