"""The load as a plan: when each order is sent and what kind of order it is.

Pure. Open loop: arrivals are drawn before the run and do not wait for answers, so a slow system
cannot slow the load that measures it. The same seed gives the same plan.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class OrderKind(StrEnum):
    """What the customer's payment method will do."""

    OK = "ok"
    DECLINED = "declined"
    SLOW = "slow"


PAYMENT_METHOD_OF_KIND: Final = {
    OrderKind.OK: "pm_card_visa",
    OrderKind.DECLINED: "pm_card_visa_chargeDeclined",
    # A bank debit: Stripe answers `processing` and closes the payment later, by webhook.
    OrderKind.SLOW: "pm_usBankAccount_success",
}
"""Stripe's own test payment methods; live keys know none of them."""


class MixError(ValueError):
    """The mix is not `kind=weight,...`; the message says what it may be."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One planned order: its number, when to send it after the start, and its kind."""

    number: int
    after_seconds: float
    kind: OrderKind


def parse_mix(text: str) -> dict[OrderKind, int]:
    """Read `ok=80,declined=15,slow=5`; weights need not add up to 100.

    Raises:
        MixError: an unknown kind, a weight that is no positive whole number, or no weight at all.
    """
    kinds = ", ".join(OrderKind)
    mix: dict[OrderKind, int] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        if name not in set(OrderKind) or not weight.isascii() or not weight.isdigit():
            raise MixError(f"{part.strip()!r} is not kind=weight; kinds are {kinds}")
        if OrderKind(name) in mix:
            raise MixError(f"{name} is given twice in {text!r}")
        mix[OrderKind(name)] = int(weight)
    if sum(mix.values()) == 0:
        raise MixError(f"every weight of {text!r} is zero, so nothing would be sent")
    return mix


def plan_arrivals(
    *, rate_per_second: float, duration_seconds: float, mix: dict[OrderKind, int], seed: int
) -> list[Arrival]:
    """Draw the whole load before it begins: exponential gaps, kinds by weight.

    Gaps and kinds come from two streams of the seed, so that changing the mix leaves the times
    as they were.
    """
    gaps, kinds = random.Random(f"{seed}/gaps"), random.Random(f"{seed}/kinds")
    names, weights = list(mix), list(mix.values())
    arrivals: list[Arrival] = []
    after = gaps.expovariate(rate_per_second)
    while after < duration_seconds:
        arrivals.append(Arrival(len(arrivals), after, kinds.choices(names, weights)[0]))
        after += gaps.expovariate(rate_per_second)
    return arrivals


def percentile(sorted_values: list[float], share: float) -> float | None:
    """The nearest-rank percentile; None when there is nothing to rank."""
    if not sorted_values:
        return None
    rank = max(1, -(-int(share * 1000) * len(sorted_values) // 1000))
    return sorted_values[min(rank, len(sorted_values)) - 1]
