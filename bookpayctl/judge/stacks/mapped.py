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

from bookpayctl.clients.stripe_api import StripeApi
from bookpayctl.judge.ledgers.absence import Absence, missing
from bookpayctl.judge.ledgers.sink import Value
from bookpayctl.judge.ledgers.store import Connection
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.looks import LOG_TABLES, STRIPE_TABLES, LedgerLook
from bookpayctl.judge.mapping.document import KAFKA, OTHERS, STRIPE, Mapping, StripeSource
from bookpayctl.judge.mapping.tables import REQUIRED
from bookpayctl.judge.readers.mapped import read_mapped, read_mapped_clock
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
TARGET: Final = "mapping"

GROUPS: Final = {STRIPE: STRIPE_TABLES, KAFKA: LOG_TABLES}


@dataclass(frozen=True, slots=True)
class MappedStack:
    """One stack by its mapping; `dsn` and `stripe_key` are secrets and shown nowhere."""

    mapping: Mapping
    dsn: str
    stripe_key: str | None
    runs_dir: Path

    def settle(self, *, deadline_seconds: float) -> str:
        """Nobody knows what rest is for a stack of others: two looks that agree must do."""
        return f"at most {deadline_seconds:.0f} s for two looks at {self.mapping.name} that agree"

    def read_clock(self) -> datetime:
        """The database's wall clock.

        Raises:
            MappingError, DatabaseError: it could not be asked.
        """
        return read_mapped_clock(self.dsn, self.mapping)

    def look(self, connection: Connection, folder: Path) -> LedgerLook:
        """Read Stripe, then PostgreSQL.

        Raises:
            MappingError: the mapping does not fit the database.
            DatabaseError, StoreError: as `Stack.look`.
        """
        ledgers = LedgerWriter(connection, folder)
        absent = absences_of(self.mapping)
        if self.mapping.stripe is not None:
            absent |= self._read_stripe(self.mapping.stripe, ledgers)
        read = read_mapped(self.dsn, self.mapping, ledgers)
        return LedgerLook(folder, read.moment, {**absent, **read.absent}, read.notes)

    def judgement(self, moment: DatabaseMoment) -> dict[str, Value]:
        """Its name at Stripe, and what the mapping says that changes the answers."""
        stripe = self.mapping.stripe
        waits = timedelta(seconds=self.mapping.payment_window_seconds)
        return {
            "environment": stripe.environment if stripe else None,
            "mapping": self.mapping.name,
            "waiting_since": moment.read_at - waits,
            "change_data_capture": self.mapping.change_data_capture,
            "account_is_shared": bool(stripe and stripe.account_is_shared),
        }

    def sources(self, moment: DatabaseMoment) -> dict[str, str]:
        """The servers that were read."""
        return {"postgresql": moment.version, "stripe": self._stripe_name}

    def context(self) -> dict[str, str]:
        """The mapping by its name, in the place of an environment."""
        name = self.mapping.name
        return {
            "environment": name,
            "target": TARGET,
            "stripe": self._stripe_name,
            "mapping": name,
        }

    @property
    def _stripe_name(self) -> str:
        return self.mapping.stripe.api_base if self.mapping.stripe else "none"

    def _read_stripe(self, source: StripeSource, ledgers: LedgerWriter) -> dict[str, Absence]:
        api = StripeApi(source.api_base, self.stripe_key or "")
        keys = MetadataKeys(
            order_id=source.order_metadata,
            event_id=source.payment_metadata,
            environment=source.environment_metadata,
        )
        try:
            is_stripe = urlsplit(source.api_base).hostname == SANDBOX_HOST
            if not is_stripe and not api.remembers():
                raise StripeHasNoLedgerError(NO_LEDGER)
            read_lists(api.objects, ledgers, keys)
        except StripeReadError as error:
            return missing(LISTS, str(error))
        return {}


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
        if group != STRIPE or mapping.stripe is None:
            found |= dict.fromkeys(tables, _absence(mapping, group))
    return found


def _absence(mapping: Mapping, name: str) -> Absence:
    reason = mapping.absent.get(name, mapping.absent.get(OTHERS))
    if reason is not None:
        return Absence(f"this stack has no {name}: {reason}", chosen=True)
    return Absence(f"the mapping neither reads {name} nor says that it is absent", chosen=False)
