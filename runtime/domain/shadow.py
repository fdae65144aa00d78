"""Shadow mode: what v1 decided, what our own call came to, and whether the two agree; pure.

While the gateway shadows, v1's outcome is the only one a payment ever hears of. Ours is written
down and compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Declined, Outcome, Parked, Settled

V1_HEADER: Final = "X-V1-Outcome"

# Whole values and nothing around them: the header comes from a proxy and decides about money.
V1_HEADER_PATTERN: Final = (
    r"^(settled; ?payment_intent_id=pi_[!-~]{1,250}|declined; ?code=[!-~]{1,255})$"
)

SETTLED: Final = "settled"
DECLINED: Final = "declined"

FINAL: Final = frozenset({SETTLED, DECLINED, "parked"})
"""Our own outcomes that will not change; anything else is asked for again while there is time."""


class V1OutcomeError(ValueError):
    """A text that is no outcome of v1's; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class V1Outcome:
    """How v1's payment ended.

    Attributes:
        payment_intent_id: of the PaymentIntent v1 took the money with; None when it was declined.
        code: why it was declined; None when it was not.
    """

    outcome: str
    payment_intent_id: PaymentIntentId | None
    code: str | None

    def as_outcome(self) -> Outcome:
        """The outcome a worker acts on."""
        if self.payment_intent_id is not None:
            return Settled(self.payment_intent_id)
        return Declined(self.code or "card_declined")


def parity(v1: V1Outcome, outcome: str | None, code: str | None) -> str:
    """Whether our own outcome is v1's: agreed, differed, or unresolved while ours is no end."""
    if outcome not in FINAL:
        return "unresolved"
    return "agreed" if (outcome, code) == (v1.outcome, v1.code) else "differed"


def parse_v1_header(text: str) -> V1Outcome:
    """Parse `settled; payment_intent_id=pi_...` or `declined; code=...`.

    Raises:
        V1OutcomeError: it is neither.
    """
    found = re.fullmatch(V1_HEADER_PATTERN, text)
    if found is None:
        raise V1OutcomeError(
            f"{V1_HEADER} is `settled; payment_intent_id=pi_...` or `declined; code=...`"
        )
    value = text.partition("=")[2]
    if text.startswith(SETTLED):
        return V1Outcome(SETTLED, PaymentIntentId(value), None)
    return V1Outcome(DECLINED, None, value)


def code_of(outcome: Outcome) -> str | None:
    """The code of our own outcome that is compared with v1's."""
    match outcome:
        case Declined():
            return outcome.code
        case Parked():
            return outcome.reason
        case _:
            return None
