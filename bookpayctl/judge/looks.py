"""The ledgers of a stack read for the judge, twice, and put side by side.

A single look at three systems sees three different moments. Each look is a folder of ledgers; of
two that agree, the money and the log of the earlier one are judged against the rows of the later
one: what is in Stripe or Kafka at the first look must have its row at the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.store import SUFFIX, LedgerConnection
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.clients import keep_history
from bookpayctl.judge.readers.postgres import DatabaseMoment
from bookpayctl.judge.readers.runs import read_runs
from bookpayctl.judge.readers.stripe import DELIVERIES, LISTS, REQUESTS
from bookpayctl.judge.rows import History

NO_HISTORY: Final = "no client history was given"

LOG_TABLES: Final = ("log_records", "log_partitions", "log_groups", "log_topics")
STRIPE_TABLES: Final = (*LISTS, DELIVERIES, REQUESTS)

# Made when looks are put side by side, and not by a look.
_MADE_HERE: Final = ("judgement", "absent", "client_operations", "probes", "faults")

# How far the clock of a service may be ahead of the database's. What is dated later than this is
# not young: nothing that is being worked on now can have been made then.
CLOCK_SKEW_MAX: Final = timedelta(minutes=1)


Observer = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LedgerLook:
    """One look.

    Attributes:
        folder: where its ledgers lie.
        moment: when it was.
        absent: why a table, or a column `table.column`, is missing.
        notes: what a reader of the verdict must know of it, a sentence each.
    """

    folder: Path
    moment: DatabaseMoment
    absent: dict[str, Absence]
    notes: tuple[str, ...] = ()


class Stack(Protocol):
    """What is judged: a stack of ours, by its environment, or anybody's, by a mapping."""

    @property
    def runs_dir(self) -> Path:
        """Where its runs lie."""

    def settle(self, *, deadline_seconds: float) -> str:
        """Wait until it is at rest, at most so long; what still moves, in words."""

    def read_clock(self) -> datetime:
        """Its database's wall clock.

        Raises:
            DatabaseError: it could not be asked.
        """

    def look(self, connection: LedgerConnection, folder: Path, observe: Observer) -> LedgerLook:
        """Read money first, then the log, then the rows that explain both.

        What takes long is told to `observe`.

        Raises:
            DatabaseError: without the books there is nothing to judge.
            StoreError: what was read could not be kept.
        """

    def judgement(self, moment: DatabaseMoment) -> dict[str, Value]:
        """What the judgement's one row says of this stack, beside what is the same of any."""

    def sources(self, moment: DatabaseMoment) -> dict[str, str]:
        """What was read, name to version or address; no secret."""

    def context(self) -> dict[str, str]:
        """What a report says that was looked at."""


def side_by_side(
    stack: Stack,
    connection: LedgerConnection,
    earlier: LedgerLook,
    later: LedgerLook,
    *,
    cut_off: datetime,
    history: History | None,
    folder: Path,
) -> None:
    """Put two looks, the history, and what runs did into one folder of ledgers.

    Groups commit a moment after the work they stand for, so their offsets are the later look's:
    one look would find them behind a log that they have read.

    Raises:
        OSError, StoreError: the folder could not be filled.
    """
    ledgers = LedgerWriter(connection, folder)
    absent = {**earlier.absent, **later.absent}
    if history is None:
        absent["client_operations"] = Absence(NO_HISTORY, chosen=True)
    else:
        keep_history(history, ledgers)
    read_runs(stack.runs_dir, ledgers)
    of_the_earlier = {*STRIPE_TABLES, *LOG_TABLES} - {"log_groups"}
    for name in tables():
        look = earlier if name in of_the_earlier else later
        if name not in absent and name not in _MADE_HERE:
            (look.folder / f"{name}{SUFFIX}").replace(folder / f"{name}{SUFFIX}")
    with ledgers.sink("absent") as told:
        for name, absence in sorted(absent.items()):
            told.put({"table_name": name, "reason": absence.reason, "chosen": absence.chosen})
    with ledgers.sink("judgement") as judgement:
        judgement.put(_judgement(stack, later.moment, cut_off=cut_off, history=history))
    ledgers.keep(told, judgement)


def _judgement(
    stack: Stack, moment: DatabaseMoment, *, cut_off: datetime, history: History | None
) -> dict[str, Value]:
    ahead_from = moment.read_at + CLOCK_SKEW_MAX
    return {
        "read_at": moment.read_at,
        "cut_off": cut_off,
        "ahead_from": ahead_from,
        "stripe_cut_off": cut_off + moment.clock_ahead,
        "stripe_ahead_from": ahead_from + moment.clock_ahead,
        "history_tenant_id": history.tenant_id if history else None,
        "history_key_prefix": history.key_prefix if history else None,
        **stack.judgement(moment),
    }
