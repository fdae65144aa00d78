"""What a replay of the log would read, before anything is read."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bookpayctl.clients.database import DatabaseError
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.evidence import SavedPosition
from bookpayctl.replay.ledger import read_clock
from bookpayctl.replay.position import LogPlace, LogTime, Position
from bookpayctl.replay.ranges import ReplayRange, choose
from bookpayctl.targets.environment import Environment
from runtime.domain.names import Topic

ALL_TOPICS: Final = tuple(topic.value for topic in Topic)


def plan(environment: Environment, wanted: ReplayRange, mode: str) -> SavedPosition:
    """Where a replay of this range begins and ends.

    Raises:
        PositionError: the log does not have what was asked for.
        ReplayError: the broker or the database did not answer.
    """
    try:
        # Before the ends: what was marked published until now is in the log up to them.
        began_at = read_clock(environment.dsn)
    except DatabaseError as error:
        raise ReplayError(f"the ledger could not be asked: {str(error).strip()}") from error
    chosen = choose(environment.kafka, wanted)
    named = isinstance(wanted.start, LogPlace) or isinstance(wanted.end, LogPlace)
    return SavedPosition(
        mode=mode,
        began_at=began_at,
        retained=chosen.retained,
        ranges=chosen.ranges,
        reached={where: first for where, (first, _) in chosen.ranges.items()},
        bytes=0,
        by_time=not named and wanted.records_max is None,
        since_at=_time(wanted.start),
        until_at=_time(wanted.end),
    )


def _time(position: Position) -> datetime | None:
    return position.at if isinstance(position, LogTime) else None
