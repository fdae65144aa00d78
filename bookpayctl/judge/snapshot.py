"""The three ledgers read for the judge, twice, until they agree with themselves.

A single look at three systems sees three different moments. Two looks whose digests agree up to
the cut-off saw one state, whatever the order of reading; while they differ, something still moves
and the answer would be a guess.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from bookpayctl.clients.kafka import BrokerError, LogReadError
from bookpayctl.judge.invariants.facts import Excluded, Facts, is_due
from bookpayctl.judge.readers.kafka import read_log
from bookpayctl.judge.readers.postgres import read_database
from bookpayctl.judge.readers.stripe import StripeReadError, read_stripe, read_tapped
from bookpayctl.judge.rows import Database, History, Log, Stripe, StripeRequestRow
from bookpayctl.targets.environment import Environment

DEFAULT_WEBHOOK_WINDOW_SECONDS: Final = 900

NO_REQUESTS: Final = "only the twin and a recording tap (`up --tap`) show the requests"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look: what each ledger held, and why one is missing."""

    database: Database
    log: Log | None
    stripe: Stripe | None
    absent: dict[str, str] = field(default_factory=dict)
    tapped: tuple[StripeRequestRow, ...] | None = None


def take_snapshot(environment: Environment) -> Snapshot:
    """Read Stripe, then Kafka, then PostgreSQL.

    Money and records are read before the rows that explain them, so a charge or record seen here
    has had its row written for as long as the protocol promises.

    Raises:
        DatabaseError: without our own books there is nothing to judge.
    """
    absent: dict[str, str] = {}
    stripe = log = None
    try:
        stripe = read_stripe(environment)
    except StripeReadError as error:
        absent["stripe"] = str(error)
    tapped = None
    try:
        tapped = read_tapped(environment)
    except StripeReadError as error:
        absent["requests"] = absent["keys"] = str(error)
    if tapped is None and (stripe is None or stripe.requests is None):
        absent.setdefault("requests", absent.get("stripe", NO_REQUESTS))
        absent.setdefault("keys", absent.get("stripe", NO_REQUESTS))
    try:
        log = read_log(environment.kafka_bootstrap_servers)
    except (LogReadError, BrokerError) as error:
        absent["log"] = f"Kafka could not be read: {error}"
    return Snapshot(read_database(environment.dsn), log, stripe, absent, tapped)


def facts_of(
    environment: Environment,
    earlier: Snapshot,
    later: Snapshot,
    *,
    cut_off: datetime,
    excluded: Excluded,
    history: History | None,
) -> Facts:
    """Put two looks side by side: the earlier money and log against the later rows.

    What is in Stripe or Kafka at the first look must have its row at the second; and because the
    digests up to the cut-off agree, the other direction holds as well.
    """
    window = environment.settings.get("webhook_window_seconds")
    return Facts(
        environment=environment.settings.get("env", environment.name),
        cut_off=cut_off,
        database=later.database,
        log=log_of(earlier, later),
        stripe=earlier.stripe,
        history=history,
        excluded=excluded,
        webhook_window=timedelta(seconds=float(window or DEFAULT_WEBHOOK_WINDOW_SECONDS)),
        absent={**earlier.absent, **later.absent},
        tapped=earlier.tapped,
        account_is_shared=environment.settings.get("stripe_shared") == "on",
    )


def log_of(earlier: Snapshot, later: Snapshot) -> Log | None:
    """The records of the first look, and how far the groups had come at the second.

    Offsets are committed a moment after the work they stand for, so one look would find groups
    behind a log that they have read.
    """
    if earlier.log is None or later.log is None:
        return None
    return replace(earlier.log, offsets=later.log.offsets)


def digest(snapshot: Snapshot, *, cut_off: datetime, read_at: datetime) -> str:
    """SHA-256 over everything that belongs to orders created before the cut-off.

    Rows of later orders are left out, so that a shop that goes on selling can be audited. Both
    looks are held against one `read_at`, or what is dated ahead would be young in one of them.
    """
    database = snapshot.database
    orders = [
        row for row in database.orders if is_due(row.created_at, cut_off=cut_off, read_at=read_at)
    ]
    ids = {row.id for row in orders}
    payments = [row for row in database.payments if row.order_id in ids]
    roots = {row.event_id for row in payments}
    intents = {row.payment_intent_id for row in payments}
    events = [row for row in database.outbox if row.order_id in ids]
    event_ids = {row.event_id for row in events}
    records = snapshot.log.records if snapshot.log else ()
    stripe = snapshot.stripe or Stripe((), (), (), (), None)
    parts: tuple[Iterable[object], ...] = (
        orders,
        payments,
        events,
        (row for row in database.reservations if row.order_id in ids),
        (row for row in database.payment_transitions if row.subject in roots),
        (row for row in database.order_transitions if row.subject in ids),
        (row for row in database.refunds if row.event_id in roots),
        sorted(repr(row) for row in records if row.event_id in event_ids),
        sorted(repr(row) for row in stripe.intents if row.id in intents),
        sorted(repr(row) for row in stripe.charges if row.payment_intent_id in intents),
        sorted(repr(row) for row in stripe.refunds if row.payment_intent_id in intents),
        sorted(repr(row) for row in stripe.disputes if row.payment_intent_id in intents),
        (row for row in database.outside_refunds if row.payment_intent_id in intents),
        (row for row in database.disputes if row.payment_intent_id in intents),
    )
    hashed = hashlib.sha256()
    for part in parts:
        for row in part:
            hashed.update(repr(row).encode())
        hashed.update(b"\x00")
    return hashed.hexdigest()
