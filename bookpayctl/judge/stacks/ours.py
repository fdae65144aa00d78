"""A stack that `up` brought up, or that `attach` wrote down: all three ledgers as we keep them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka import BrokerError, LogReadError
from bookpayctl.judge import quiescence
from bookpayctl.judge.ledgers.absence import Absence, missing
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.store import LedgerConnection
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.looks import LOG_TABLES, LedgerLook, Observer
from bookpayctl.judge.readers.kafka import read_log
from bookpayctl.judge.readers.postgres import DatabaseMoment, read_clock, read_database
from bookpayctl.judge.readers.stripe import (
    DELIVERIES,
    LISTS,
    REQUESTS,
    StripeReadError,
    read_requests,
    read_stripe,
)
from bookpayctl.targets.environment import Environment

DEFAULT_WEBHOOK_WINDOW_SECONDS: Final = 900

NO_REQUESTS: Final = "only the twin and a recording tap (`up --tap`) show the requests"


@dataclass(frozen=True, slots=True)
class OurStack:
    """One environment, as the judge sees it."""

    environment: Environment

    @property
    def runs_dir(self) -> Path:
        return self.environment.runs_dir

    def settle(self, *, deadline_seconds: float) -> str:
        """Wait until nothing moves, or the deadline; what moves, in words."""
        rest = quiescence.wait_until_quiescent(self.environment, deadline_seconds=deadline_seconds)
        return rest.value.sentence()

    def read_clock(self) -> datetime:
        """The database's wall clock."""
        return read_clock(self.environment.dsn)

    def look(self, connection: LedgerConnection, folder: Path, observe: Observer) -> LedgerLook:
        """Read Stripe, then Kafka, then PostgreSQL.

        Money and records are read before the rows that explain them, so a charge or record seen
        here has had its row written for as long as the protocol promises.
        """
        environment, ledgers = self.environment, LedgerWriter(connection, folder)
        absent: dict[str, Absence] = {}
        # Which topic an event is in is what the rules know of a stack of ours by themselves.
        ledgers.keep(ledgers.sink("declared_topics"))
        try:
            absent |= read_stripe(environment, ledgers, observe)
        except StripeReadError as error:
            absent |= missing((*LISTS, DELIVERIES), str(error))
        try:
            if not read_requests(environment, ledgers):
                told = absent.get("stripe_events")
                absent[REQUESTS] = Absence(told.reason if told else NO_REQUESTS, chosen=False)
        except StripeReadError as error:
            absent[REQUESTS] = Absence(str(error), chosen=False)
        try:
            read_log(environment.kafka, ledgers)
        except (LogReadError, BrokerError) as error:
            absent |= missing(LOG_TABLES, f"Kafka could not be read: {error}")
        return LedgerLook(folder, read_database(environment.dsn, ledgers), absent)

    def judgement(self, moment: DatabaseMoment) -> dict[str, Value]:
        """Our name at Stripe, and what of the settings changes the answers."""
        settings = self.environment.settings
        window = settings.get("webhook_window_seconds")
        waits = timedelta(seconds=float(window or DEFAULT_WEBHOOK_WINDOW_SECONDS))
        return {
            "environment": settings.get("env", self.environment.name),
            "waiting_since": moment.read_at - waits,
            "change_data_capture": self.environment.captured,
            "account_is_shared": settings.get("stripe_shared") == "on",
        }

    def sources(self, moment: DatabaseMoment) -> dict[str, str]:
        """The three servers."""
        return {
            "postgresql": moment.version,
            "kafka": self.environment.kafka_bootstrap_servers,
            "stripe": self.environment.stripe_name,
        }

    def context(self) -> dict[str, str]:
        """The environment by its name."""
        return {
            "environment": self.environment.name,
            "target": self.environment.target,
            "stripe": self.environment.stripe_name,
        }
