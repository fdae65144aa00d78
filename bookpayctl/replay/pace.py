"""How fast a replay goes, and when it will be over. Pure.

A rate is a mean over the whole run: what was held up is made up for afterwards, at most as fast as
the machine can. An estimate is what is left at the pace until now; at the beginning there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_RATE: Final = re.compile(r"([0-9]{1,9})(?:/s)?")

SLICES_PER_SECOND: Final = 10
"""With a limit, work comes in tenths of a second, so that the rate is one and not bursts."""


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far it is, in records; `seconds` since this command began, which began at `done_before`.

    Attributes:
        done_before: what an earlier command had done, when this one resumes it.
    """

    doing: str
    done: int
    total: int
    seconds: float
    done_before: int = 0

    @property
    def per_second(self) -> float:
        """Records in a second since this command began."""
        return (self.done - self.done_before) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """None while nothing has been done, so nothing is known."""
        rate = self.per_second
        return (self.total - self.done) / rate if rate > 0 else None

    @property
    def is_over(self) -> bool:
        return self.done >= self.total


def rate_of(text: str) -> int:
    """Records in a second from `500` or `500/s`.

    Raises:
        ValueError: it is no whole number above zero.
    """
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} must be a whole number of records in a second, such as 500/s")
    return int(found[1])


def slice_of(rate: int | None, most: int) -> int:
    """How many records to take at once."""
    return most if rate is None else max(1, min(most, rate // SLICES_PER_SECOND))


def pause_seconds(done: int, seconds: float, rate: int | None) -> float:
    """How long to wait before going on, after `done` records in `seconds`."""
    return 0.0 if rate is None else max(0.0, done / rate - seconds)
