"""A stack that is not ours, as a mapping describes it: read, and nothing else.

What the mapping says that the stack does not have is not asked; what it does not speak of is a
hole, and unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bookpayctl.clients.kafka import BrokerError, LogReadError
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.clients.schema_registry import RegistryError, SchemaRegistry
from bookpayctl.clients.stripe_api import StripeApi
from bookpayctl.judge.ledgers.absence import Absence, missing
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.store import LedgerConnection
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.looks import CLOCK_SKEW_MAX, LOG_TABLES, STRIPE_TABLES, LedgerLook, Observer
from bookpayctl.judge.mapping.document import KAFKA, OTHERS, STRIPE, Mapping, StripeSource
from bookpayctl.judge.mapping.tables import REQUIRED
from bookpayctl.judge.readers.mapped import read_mapped, read_mapped_clock
from bookpayctl.judge.readers.mapped_log import read_mapped_log
from bookpayctl.judge.readers.postgres import DatabaseMoment
from bookpayctl.judge.readers.stripe import (
    DELIVERIES,
    LISTS,
    NO_DELIVERIES,
    NO_LEDGER,
    REQUESTS,
    SANDBOX_HOST,
    MetadataKeys,
    StripeHasNoLedgerError,
    StripeReadError,
    read_lists,
)

NO_REQUESTS: Final = "only our twin and our recording tap show the requests"
NO_PUBLISHERS: Final = "only our own publisher keeps its terms"
NO_SETTINGS: Final = "how others set their topics is theirs to say"
REDACTION: Final = "ids of orders, sellers and clients are digests (--redact)"
UNCHECKED: Final = "Kafka's certificate was not checked ({}): another could have answered for it"
TARGET: Final = "mapping"

# Stripe's API reference, "Events": they can be listed for 30 days.
STRIPE_KEEPS_EVENTS: Final = timedelta(days=30)

ONE_PERCENT: Final = 2**32 * 0.01
"""Of the numbers that eight hexadecimal digits can be."""

GROUPS: Final = {STRIPE: STRIPE_TABLES, KAFKA: LOG_TABLES}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which orders are judged: from `since` on, and of those so many percent; None for all."""

    since: datetime | None = None
    sample_percent: float | None = None

    def notes(self) -> tuple[str, ...]:
        """What a reader of the verdict must know of it."""
        found = []
        if self.since is not None:
            found.append(
                f"judged are orders from {self.since.isoformat()} on; orders without a time are not"
            )
        if self.sample_percent is not None:
            found.append(
                f"a sample: {self.sample_percent:g} % of the orders are judged, chosen by the md5"
                " of their id; of the others nothing is said"
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class MappedStack:
    """One stack by its mapping; `dsn` and `stripe_key` are secrets and shown nowhere.

    With a `salt`, nothing that may name a customer is kept but as a digest.
    """

    mapping: Mapping
    dsn: str
    stripe_key: str | None
    runs_dir: Path
    scope: Scope = Scope()
    kafka: KafkaServers | None = None
    registry: SchemaRegistry | None = None
    read_only_live: bool = False
    salt: str | None = None

    def settle(self, *, deadline_seconds: float) -> str:
        """Nobody knows what rest is for a stack of others: two looks that agree must do."""
        return f"at most {deadline_seconds:.0f} s for two looks at {self.mapping.name} that agree"

    def read_clock(self) -> datetime:
        """The database's wall clock.

        Raises:
            MappingError, DatabaseError: it could not be asked.
        """
        return read_mapped_clock(self.dsn, self.mapping)

    def look(self, connection: LedgerConnection, folder: Path, observe: Observer) -> LedgerLook:
        """Read Stripe, then Kafka, then PostgreSQL.

        Raises:
            MappingError: the mapping does not fit the database.
            DatabaseError, StoreError: as `Stack.look`.
        """
        ledgers = LedgerWriter(connection, folder)
        absent = absences_of(self.mapping)
        if self.mapping.stripe is not None:
            absent |= self._read_stripe(self.mapping.stripe, ledgers, observe)
        lost, unread = self._read_log(ledgers)
        absent |= lost
        read = read_mapped(self.dsn, self.mapping, ledgers, self.salt)
        unchecked = self.kafka.unchecked if self.kafka else ""
        notes = (
            *self.scope.notes(),
            *([REDACTION] if self.salt else []),
            *([UNCHECKED.format(unchecked)] if unchecked else []),
            *unread,
            *read.notes,
        )
        return LedgerLook(folder, read.moment, {**absent, **read.absent}, notes)

    def judgement(self, moment: DatabaseMoment) -> dict[str, Value]:
        """Its name at Stripe, and what the mapping says that changes the answers."""
        stripe = self.mapping.stripe
        waits = timedelta(seconds=self.mapping.payment_window_seconds)
        since, share = self.scope.since, self.scope.sample_percent
        return {
            "since": since,
            "sample_below": None if share is None else _threshold(share),
            "events_since": self._events_since(moment),
            "environment": stripe.environment if stripe else None,
            "mapping": self.mapping.name,
            "waiting_since": moment.read_at - waits,
            "change_data_capture": self.mapping.change_data_capture,
            "account_is_shared": bool(stripe and stripe.account_is_shared),
        }

    def sources(self, moment: DatabaseMoment) -> dict[str, str]:
        """The servers that were read."""
        kafka = self.mapping.kafka.bootstrap_servers if self.mapping.kafka else "none"
        return {"postgresql": moment.version, "kafka": kafka, "stripe": self._stripe_name}

    def context(self) -> dict[str, str]:
        """The mapping by its name, in the place of an environment."""
        name = self.mapping.name
        return {
            "environment": name,
            "target": TARGET,
            "stripe": self._stripe_name,
            "mapping": name,
        }

    def _events_since(self, moment: DatabaseMoment) -> datetime | None:
        source = self.mapping.stripe
        is_stripe = source is not None and urlsplit(source.api_base).hostname == SANDBOX_HOST
        kept = moment.read_at - STRIPE_KEEPS_EVENTS if is_stripe else None
        return max((one for one in (self.scope.since, kept) if one is not None), default=None)

    @property
    def _stripe_name(self) -> str:
        return self.mapping.stripe.api_base if self.mapping.stripe else "none"

    def _read_stripe(
        self, source: StripeSource, ledgers: LedgerWriter, observe: Observer
    ) -> dict[str, Absence]:
        api = StripeApi(source.api_base, self.stripe_key or "", read_only_live=self.read_only_live)
        keys = MetadataKeys(
            order_id=source.order_metadata,
            event_id=source.payment_metadata,
            environment=source.environment_metadata,
            salt=self.salt,
        )
        try:
            is_stripe = urlsplit(source.api_base).hostname == SANDBOX_HOST
            if not is_stripe and not api.remembers():
                raise StripeHasNoLedgerError(NO_LEDGER)
            read_lists(api.page, ledgers, keys, observe, since=self._lists_since())
        except StripeReadError as error:
            return missing(LISTS, str(error))
        return {}

    def _read_log(self, ledgers: LedgerWriter) -> tuple[dict[str, Absence], tuple[str, ...]]:
        """What of the log is absent, and what a reader must know of the rest."""
        source = self.mapping.kafka
        with ledgers.sink("declared_topics") as topics:
            for kind, topic in (source.topic_of_type if source else {}).items():
                topics.put({"event_type": kind, "topic": topic})
        ledgers.keep(topics)
        if source is None or self.kafka is None:
            return {}, ()
        try:
            return {}, read_mapped_log(source, self.kafka, ledgers, self.salt, self.registry)
        except (LogReadError, BrokerError, RegistryError) as error:
            return missing(LOG_TABLES[:3], f"Kafka could not be read: {error}"), ()

    def _lists_since(self) -> int | None:
        """From when on Stripe's lists are read; to their end, for late money belongs to somebody.

        An order is made before its money moves, but on another clock.
        """
        if self.scope.since is None:
            return None
        return int((self.scope.since - CLOCK_SKEW_MAX).timestamp())


def _threshold(percent: float) -> str:
    """Below which an order's md5 lies in a sample of so many percent; eight digits suffice."""
    return f"{min(round(percent * ONE_PERCENT), 2**32 - 1):08x}"


def absences_of(mapping: Mapping) -> dict[str, Absence]:
    """What a mapping leaves out before anything is read, by table."""
    found = {
        "publisher_terms": Absence(NO_PUBLISHERS, chosen=True),
        REQUESTS: Absence(NO_REQUESTS, chosen=True),
        DELIVERIES: Absence(NO_DELIVERIES, chosen=True),
    }
    for name in REQUIRED:
        if name not in mapping.tables:
            found[name] = _absence(mapping, name)
    for group, tables in GROUPS.items():
        if (mapping.stripe if group == STRIPE else mapping.kafka) is None:
            found |= dict.fromkeys(tables, _absence(mapping, group))
    if mapping.kafka is not None:
        found["log_topics"] = Absence(NO_SETTINGS, chosen=True)
    return found


def _absence(mapping: Mapping, name: str) -> Absence:
    reason = mapping.absent.get(name, mapping.absent.get(OTHERS))
    if reason is not None:
        return Absence(f"this stack has no {name}: {reason}", chosen=True)
    return Absence(f"the mapping neither reads {name} nor says that it is absent", chosen=False)
