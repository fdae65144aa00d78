"""Object ids: a Stripe-like prefix, time, a counter and random digits, so that they sort by age.

Ids in order of creation append to the end of the ledger's indexes instead of landing anywhere in
them; with a million charges that is most of the cost of an insert.
"""

import random
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 8  # base 62 milliseconds; lasts until the year 8888
_RANDOM_DIGITS = 13  # 52 bits within one millisecond: two twins of one test make different ids


# All counters, in order: nine ids are made per charge.
_COUNTERS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _base62(number: int, digits: int) -> str:
    letters = []
    for _ in range(digits):
        number, remainder = divmod(number, 62)
        letters.append(_ALPHABET[remainder])
    return "".join(reversed(letters))


class IdGenerator:
    """Makes ids that are unique and, within a process, strictly increasing."""

    def __init__(self, rng: random.Random, wall: Callable[[], float]) -> None:
        self._rng = rng
        self._wall = wall
        self._milliseconds = 0
        self._counter = 0
        self._stamp = ""

    def new(self, prefix: str) -> str:
        """A new id such as `pi_3...` for the prefix `pi`."""
        # The machine's clock may step back; ids may not.
        now = max(int(self._wall() * 1000), self._milliseconds)
        if now == self._milliseconds:
            self._counter += 1
            if self._counter == len(_COUNTERS):
                # A millisecond that is full borrows from the next one.
                now += 1
        if now != self._milliseconds:
            self._milliseconds = now
            self._counter = 0
            self._stamp = _base62(now, _TIME_DIGITS)
        return f"{prefix}_3{self._stamp}{_COUNTERS[self._counter]}{self.random_hex()}"

    def random_hex(self, digits: int = _RANDOM_DIGITS) -> str:
        """Random hexadecimal digits, from one draw for all of them."""
        return f"{self._rng.getrandbits(4 * digits):0{digits}x}"
