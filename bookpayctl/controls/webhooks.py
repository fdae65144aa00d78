"""Wrong receivers: what is believed though nobody may believe it."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit
from bookpayctl.controls.events_and_orders import PAID

UNSIGNED: Final = (
    *(f"W{number:02}" for number in (*range(1, 12), 13, 14, 16, 17)),
    *(f"W{number:02}" for number in range(23, 29)),
)
"""Cases that a receiver must refuse for their signature."""

ANY_AGE: Final = (
    Edit(
        "runtime/domain/signature.py",
        """    if age > TOLERANCE_SECONDS:
        return Verified.EXPIRED
    if age < -TOLERANCE_SECONDS:
        return Verified.FUTURE
""",
        """    if age != age:
        return Verified.EXPIRED
""",
    ),
)

ANY_AMOUNT: Final = (
    Edit(
        "runtime/steps/webhook.py",
        """    if theirs is None or theirs.amount_cents != ours.amount_cents:
        return "amount"
    return None if theirs == ours else "currency"
""",
        """    if theirs is None or theirs.currency == ours.currency:
        return None
    return "currency"
""",
    ),
)


def _forge(*cases: str) -> tuple[str, ...]:
    return ("webhook", "forge", *(word for case in cases for word in ("--case", case)))


WRONG_RECEIVERS: Final = (
    WrongStack(
        "webhooks-without-signatures",
        "the receiver verifies a signature and does not care what came of it",
        _forge(*UNSIGNED),
        tuple(
            # Bytes that are no JSON are refused all the same, and for another reason.
            RedAnswer(case, "answered 400" if case == "W28" else "answered 200")
            for case in UNSIGNED
        ),
        (
            Edit(
                "runtime/services/webhook_receiver/intake.py",
                "        if verified is not Verified.GENUINE:\n"
                "            return REFUSALS[verified]\n",
                "",
            ),
        ),
    ),
    WrongStack(
        "webhooks-of-any-age",
        "the receiver believes a signature however old it is",
        _forge("W11", "W13"),
        (RedAnswer("W11", "answered 200"), RedAnswer("W13", "answered 200")),
        ANY_AGE,
    ),
    WrongStack(
        "webhooks-of-any-amount",
        "a webhook pays an order whatever amount it names",
        _forge("W40"),
        (RedAnswer("W40", "a cent less"),),
        ANY_AMOUNT,
        before=(PAID,),
    ),
)
