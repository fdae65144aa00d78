"""What each account owns, kept as sums so that nobody has to add up a million transactions.

The sums are a copy in memory of a table that is written in the transaction of each movement. Money
becomes available by the day, so there is one sum for each currency and day, and few days.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from bookpayctl.stripe_twin.ledger.store import Ledger

# By currency: available and pending, in minor units.
Sums: TypeAlias = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Booking:
    """Money that is added to (or, below zero, taken from) an account's balance."""

    account: str
    currency: str
    available_on: int
    net: int


class Balances:
    """Sums of all balance transactions, by account, currency and the day they are available."""

    def __init__(self, ledger: Ledger) -> None:
        self._sums: dict[str, dict[tuple[str, int], int]] = {}
        self.add(
            Booking(str(account), str(currency), int(available_on or 0), int(net or 0))
            for account, currency, available_on, net in ledger.select(
                "SELECT account, currency, available_on, net FROM balances"
            )
        )

    def add(self, bookings: Iterable[Booking]) -> None:
        """Count movements whose rows are in the coming transaction."""
        for booking in bookings:
            sums = self._sums.setdefault(booking.account, {})
            day = (booking.currency, booking.available_on)
            sums[day] = sums.get(day, 0) + booking.net

    def of(self, account: str, now: float, more: Iterable[Booking] = ()) -> Sums:
        """The balance at a time, with bookings that are not counted yet."""
        found: Sums = {}
        counted = [(day, net) for day, net in self._sums.get(account, {}).items()]
        counted.extend(((b.currency, b.available_on), b.net) for b in more)
        for (currency, available_on), net in counted:
            available, pending = found.get(currency, (0, 0))
            # No row says that money has become available: it does so by the clock alone.
            if available_on <= now:
                found[currency] = (available + net, pending)
            else:
                found[currency] = (available, pending + net)
        return found
