"""The three ledgers read for the judge, twice, and put side by side.

A single look at three systems sees three different moments. Each look is a folder of ledgers; of
two that agree, the money and the log of the earlier one are judged against the rows of the later
one: what is in Stripe or Kafka at the first look must have its row at the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka import BrokerError, LogReadError
from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.ledgers.store import SUFFIX, Connection
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.clients import keep_history
from bookpayctl.judge.readers.kafka import read_log
from bookpayctl.judge.readers.postgres import DatabaseMoment, read_database, selects
from bookpayctl.judge.readers.runs import read_runs
from bookpayctl.judge.readers.stripe import (
    DELIVERIES,
    LISTS,
    REQUESTS,
    StripeReadError,
    read_requests,
    read_stripe,
)
from bookpayctl.judge.rows import History
from bookpayctl.targets.environment import Environment

DEFAULT_WEBHOOK_WINDOW_SECONDS: Final = 900

NO_REQUESTS: Final = "only the twin and a recording tap (`up --tap`) show the requests"
NO_HISTORY: Final = "no client history was given"

LOG_TABLES: Final = ("log_records", "log_partitions", "log_groups", "log_topics")

# How far the clock of a service may be ahead of the database's. What is dated later than this is
# not young: nothing that is being worked on now can have been made then.
CLOCK_SKEW_MAX: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LedgerLook:
    """One look: where its ledgers lie, when it was, and why a table is missing."""

    folder: Path
    moment: DatabaseMoment
    absent: dict[str, Absence]


def take_look(environment: Environment, connection: Connection, folder: Path) -> LedgerLook:
    """Read Stripe, then Kafka, then PostgreSQL.

    Money and records are read before the rows that explain them, so a charge or record seen here
    has had its row written for as long as the protocol promises.

    Raises:
        DatabaseError: without our own books there is nothing to judge.
        StoreError: what was read could not be kept.
    """
    ledgers = LedgerWriter(connection, folder)
    absent: dict[str, Absence] = {}
    try:
        absent |= read_stripe(environment, ledgers)
    except StripeReadError as error:
        absent |= _missing((*LISTS, DELIVERIES), str(error))
    try:
        if not read_requests(environment, ledgers):
            told = absent.get("stripe_events")
            absent[REQUESTS] = Absence(told.reason if told else NO_REQUESTS, chosen=False)
    except StripeReadError as error:
        absent[REQUESTS] = Absence(str(error), chosen=False)
    try:
        read_log(environment.kafka_bootstrap_servers, ledgers)
    except (LogReadError, BrokerError) as error:
        absent |= _missing(LOG_TABLES, f"Kafka could not be read: {error}")
    return LedgerLook(folder, read_database(environment.dsn, ledgers), absent)


def side_by_side(
    environment: Environment,
    connection: Connection,
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
    read_runs(environment.runs_dir, ledgers)
    taken = {
        **dict.fromkeys((*LISTS, DELIVERIES, REQUESTS, *LOG_TABLES), earlier),
        **dict.fromkeys(("log_groups", *selects()), later),
    }
    for name, look in taken.items():
        if name not in absent:
            (look.folder / f"{name}{SUFFIX}").replace(folder / f"{name}{SUFFIX}")
    with ledgers.sink("absent") as told:
        for name, absence in sorted(absent.items()):
            told.put({"table_name": name, "reason": absence.reason, "chosen": absence.chosen})
    with ledgers.sink("judgement") as judgement:
        judgement.put(_judgement(environment, later.moment, cut_off=cut_off, history=history))
    ledgers.keep(told, judgement)


def _judgement(
    environment: Environment,
    moment: DatabaseMoment,
    *,
    cut_off: datetime,
    history: History | None,
) -> dict[str, str | bool | datetime | int | None]:
    window = environment.settings.get("webhook_window_seconds")
    waits = timedelta(seconds=float(window or DEFAULT_WEBHOOK_WINDOW_SECONDS))
    ahead_from = moment.read_at + CLOCK_SKEW_MAX
    return {
        "environment": environment.settings.get("env", environment.name),
        "read_at": moment.read_at,
        "cut_off": cut_off,
        "ahead_from": ahead_from,
        "stripe_cut_off": cut_off + moment.clock_ahead,
        "stripe_ahead_from": ahead_from + moment.clock_ahead,
        "waiting_since": moment.read_at - waits,
        "change_data_capture": False,
        "account_is_shared": environment.settings.get("stripe_shared") == "on",
        "history_tenant_id": history.tenant_id if history else None,
        "history_key_prefix": history.key_prefix if history else None,
    }


def _missing(names: tuple[str, ...], reason: str) -> dict[str, Absence]:
    return {name: Absence(reason, chosen=False) for name in names}
