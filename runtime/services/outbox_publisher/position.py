"""Where in the outbox the next look begins: shortly before the last row, now and then at the start.

Entries of published rows stay in the partial index for as long as any snapshot in the database may
see them, so a look from the beginning takes longer and longer while a report or a backup runs. A
look from where the last one ended passes by a few of them only.

What it must not pass by is a row that is dated earlier and was committed later, with consequences
that follow it. Rows are dated by the begin of their transaction. One that lasts less than
`outbox.OVERLAP_SECONDS` is within the overlap. One that lasts longer is seen running by the looks
meanwhile (each batch brings its snapshot), and the look that finds it ended begins at the start. A
row that neither of these shows, such as one that a hand dated back, has no consequence that could
overtake it, and is found by the look from the start that comes every second or so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from runtime.adapters.store.outbox import OVERLAP_SECONDS, OutboxRow

WHOLE_LOOK_SECONDS: Final = 1.0
"""Between two looks from the start, while they are quick."""

WHOLE_LOOK_SECONDS_MAX: Final = 15.0
WHOLE_LOOK_SHARE: Final = 0.05
"""Of the time; looks from the start that take longer come less often, up to the bound above."""

LONG_SECONDS: Final = OVERLAP_SECONDS / 2
"""A transaction seen running for so long may have begun before the overlap does."""


@dataclass(slots=True)
class Position:
    """How far one term has read; times are monotonic seconds."""

    _last: str | None = None
    _whole_due_at: float = -math.inf
    _whole_began_at: float | None = None
    # Running transactions, by when they cannot have been running yet.
    _writers: dict[str, float] = field(default_factory=dict)
    _seen_at: float = -math.inf

    def begin(self, now: float) -> str | None:
        """`created_at` of the last row that was read; None where this look is to be whole."""
        if self._last is not None and now < self._whole_due_at:
            return self._last
        self._whole_began_at = now
        return None

    def end(self, rows: Sequence[OutboxRow], now: float) -> None:
        """The look brought these rows, in their order, and they are handed on."""
        if self._whole_began_at is not None:
            pause_seconds = max(WHOLE_LOOK_SECONDS, (now - self._whole_began_at) / WHOLE_LOOK_SHARE)
            self._whole_due_at = now + min(pause_seconds, WHOLE_LOOK_SECONDS_MAX)
            self._whole_began_at = None
        if not rows:
            return
        # Not the latest of all: a batch that is full ends before rows that nobody has read.
        self._last = rows[-1].created_at
        running = _running(rows[0].snapshot)
        self._writers = {xid: self._writers.get(xid, self._seen_at) for xid in running}
        self._seen_at = now

    def restart(self) -> None:
        """The next look has to be whole."""
        self._last = None

    def is_passed_by_writer(self, first: OutboxRow, now: float) -> bool:
        """Whether a transaction that was open for long had ended when this row was read."""
        running = _running(first.snapshot)
        return any(
            now - since > LONG_SECONDS for xid, since in self._writers.items() if xid not in running
        )


def _running(snapshot: str | None) -> frozenset[str]:
    """The transactions that a snapshot `xmin:xmax:xip,...` does not see although they began."""
    _, _, running = (snapshot or "").rpartition(":")
    return frozenset(running.split(",")) - {""}
