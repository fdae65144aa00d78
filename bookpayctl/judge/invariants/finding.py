"""What an invariant returns: how much it looked at, and each place where it does not hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an invariant does not hold.

    Attributes:
        subject: the order, event, key or sku it is about.
        detail: the two facts that contradict each other.
        amount_cents: the money at stake, so that the worst case can be named first.
    """

    subject: str
    detail: str
    amount_cents: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one invariant.

    Attributes:
        waiting: how much is open by right and was left out.
        explained: what is not as it should be and another ledger accounts for; a warning.
        excused: what was left out because another ledger accounts for it, in whole sentences.
    """

    examined: int
    violations: tuple[Violation, ...]
    waiting: int = 0
    explained: tuple[Violation, ...] = ()
    excused: tuple[str, ...] = ()


def finding(
    examined: int,
    violations: Iterable[Violation],
    waiting: int = 0,
    *,
    explained: Iterable[Violation] = (),
    excused: Iterable[str] = (),
) -> Finding:
    return Finding(examined, tuple(violations), waiting, tuple(explained), tuple(excused))
