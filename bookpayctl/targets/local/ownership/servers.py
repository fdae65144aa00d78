"""The servers that an environment shares: looked at, claimed and given back together.

What was made on one is remembered in the state before it is made, so that a purge finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.ownership import kafka_mark, postgres_mark, stripe_mark
from bookpayctl.targets.local.ownership.claim import Claimant

KAFKA: Final = "kafka"
POSTGRES: Final = "postgres"
STRIPE: Final = "stripe"

SCHEMA_MADE: Final = "schema"


@dataclass(frozen=True, slots=True)
class Shared:
    """The servers that are not this environment's own; None where it brings its own.

    Attributes:
        known: those of them on which, by our own record, we were up before.
    """

    dsn: str | None
    kafka: KafkaServers | None
    stripe: str | None
    known: frozenset[str] = frozenset()

    @property
    def kafka_address(self) -> str | None:
        return None if self.kafka is None else self.kafka.bootstrap_servers

    def state_keys(self) -> list[str]:
        """One line for each, by which the state remembers it."""
        named = ((POSTGRES, self.dsn), (KAFKA, self.kafka_address), (STRIPE, self.stripe))
        return [state_key(kind, address) for kind, address in named if address is not None]


def state_key(kind: str, address: str) -> str:
    return f"{kind} {address}"


def shared_servers(
    dsn: str | None, kafka: KafkaServers | None, stripe: str | None, recorded: Environment | None
) -> Shared:
    """The servers given, and which of them the environment's own record has already."""
    had = (
        {recorded.dsn, recorded.kafka_bootstrap_servers, recorded.stripe_api_base}
        if recorded is not None
        else set()
    )
    given = Shared(dsn, kafka, stripe)
    known = {address for address in (dsn, given.kafka_address, stripe) if address is not None}
    return replace(given, known=frozenset(known & had))


def look(shared: Shared, ours: Claimant, stripe_key: str) -> tuple[bool, str]:
    """Ask each whose it is; nothing is changed.

    Returns:
        Whether the database has our schema already, and what could not be asked, else empty.

    Raises:
        OwnedByAnotherError: one is another's.
        OwnershipUnknownError: one did not say.
    """
    has_schema, note = False, ""
    if shared.dsn is not None:
        has_schema = postgres_mark.look(shared.dsn, ours, known=shared.dsn in shared.known)
    if shared.kafka is not None:
        kafka_mark.look(shared.kafka, ours, known=shared.kafka_address in shared.known)
    if shared.stripe is not None:
        known = shared.stripe in shared.known
        note = stripe_mark.look(shared.stripe, stripe_key, ours, known=known)
    return has_schema, note


def claim(shared: Shared, ours: Claimant, stripe_key: str, tell: Callable[[str], None]) -> None:
    """Claim Kafka and the name at Stripe, after each server was looked at.

    The database is claimed once it has the table for it (`postgres_mark.claim`).

    Raises:
        OwnedByAnotherError: one is another's.
        OwnershipUnknownError: one did not say.
    """
    if shared.kafka is not None:
        kafka_mark.claim(shared.kafka, ours, known=shared.kafka_address in shared.known)
    if shared.stripe is not None:
        known = shared.stripe in shared.known
        note = stripe_mark.claim(shared.stripe, stripe_key, ours, known=known)
        if note:
            tell(f"{shared.stripe}: {note}")


def release(
    remembered: Mapping[str, list[str]],
    ours: Claimant,
    stripe_key: str,
    kafka_security: Mapping[str, str],
) -> None:
    """Give back what was claimed, and remove what we made there; harmless when nothing is ours.

    Args:
        remembered: `state_key` -> what was made there.

    Raises:
        OwnershipUnknownError: a server did not answer; it can be repeated.
    """
    for key, made in remembered.items():
        kind, _, address = key.partition(" ")
        if kind == KAFKA:
            kafka_mark.release(KafkaServers(address, kafka_security), ours, made)
        elif kind == POSTGRES:
            postgres_mark.release(address, ours, made_schema=SCHEMA_MADE in made)
        else:
            stripe_mark.release(address, stripe_key, ours)
