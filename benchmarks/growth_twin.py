"""What a long ledger costs the Stripe twin: three twins at once, asked the same in turns.

Their charges are half an outbox's orders, because a million of them take sixteen gigabytes. How
they are made, and more questions, is in `stripe_twin_history`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from benchmarks.growth_cost import Repetition, timed
from benchmarks.growth_stage import TIMES
from benchmarks.stripe_twin_charges import charge_request, times_alone, twin
from benchmarks.stripe_twin_history import advance, lengthen, questions

CHARGE: Final = "create and confirm"

# Charges that a twin has made itself; the rest are copies of the last one.
_FEW: Final = 200
_REQUESTS: Final = 30

# The clock's step after which what was made is old enough to be searched for.
_SEARCHED_AFTER_SECONDS: Final = 61


@dataclass(frozen=True, slots=True)
class SizedTwin:
    """A twin with a past."""

    times: int
    charges: int
    port: int
    pid: int

    def asked(self, question: str) -> bytes:
        """The request; where it names one charge, it is of the middle."""
        if question == CHARGE:
            return charge_request(str(uuid4()))
        return questions(f"00000000-0000-4000-a000-{self.charges // 2:012d}")[question]


@contextmanager
def open_twins(
    charges: int, folder: Path, tell: Callable[[str], None]
) -> Iterator[tuple[SizedTwin, ...]]:
    """The three of them; `charges` is of the smallest."""
    with ExitStack() as stack:
        twins = []
        for times in TIMES:
            data = folder / f"twin-{times}"
            data.mkdir()
            with twin(data) as first:
                few = [charge_request(str(uuid4())) for _ in range(_FEW)]
                asyncio.run(times_alone(first.port, few))
            lengthen(data, charges * times)
            running = stack.enter_context(twin(data))
            advance(running.control_port, _SEARCHED_AFTER_SECONDS)
            twins.append(SizedTwin(times, charges * times, running.port, running.pid))
            size = sum(path.stat().st_size for path in data.iterdir()) / 1e9
            tell(f"{times} x: {charges * times:,} charges, {size:.2f} GB")
        yield tuple(twins)


@contextmanager
def answered(question: str, twin: SizedTwin) -> Iterator[Repetition]:
    """One question, or a charge, again and again by a single client."""

    def ask() -> None:
        requests = [twin.asked(question) for _ in range(_REQUESTS)]
        asyncio.run(times_alone(twin.port, requests))

    # The first search waits until the index has taken in the ledger, once in a twin's life.
    yield timed(ask, 1, _REQUESTS, lambda: (os.getpid(), twin.pid))
