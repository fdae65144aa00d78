"""Who reads a topic while a drill runs, looked at again and again.

A group that is balancing shows nobody, so one that shows others, or nobody, after it showed some
has been balanced. What cannot be asked, because a server is away, is not counted.
"""

from __future__ import annotations

import threading
from typing import Final

from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.clients.kafka import BrokerError
from bookpayctl.clients.kafka_topics import group_members
from bookpayctl.targets.environment import Environment

LOOK_SECONDS: Final = 1.0


class GroupWatch:
    """Watches one group on a thread of its own, from `start` to `stop`.

    Attributes:
        during_charges: how often it was balanced while charges were under way.
    """

    def __init__(self, environment: Environment, group: str) -> None:
        self.during_charges = 0
        self._environment = environment
        self._group = group
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="group-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when it looks no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before: frozenset[str] = frozenset()
        while not self._over.wait(LOOK_SECONDS):
            try:
                now = group_members(self._environment.kafka, self._group)
                self.during_charges += is_balanced(before, now) and self._charging()
            except (BrokerError, DatabaseError):
                continue
            before = now

    def _charging(self) -> bool:
        with reading(self._environment.dsn) as conn:
            row = conn.execute(
                "SELECT EXISTS (SELECT FROM payments WHERE state = 'charging')"
            ).fetchone()
        return bool(row and row[0])


def is_balanced(before: frozenset[str], now: frozenset[str]) -> bool:
    """Whether a group was balanced between two looks. Pure."""
    return bool(before) and now != before
