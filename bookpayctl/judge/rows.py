"""What is read and judged as a value: what clients saw, and how topics are set.

Everything else of a shop is too much for a value and lies in `judge.ledgers`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicRow:
    """What a topic is set to; `overrides` are the settings of its own that the broker shows."""

    name: str
    partitions: int
    replicas: int
    retention_ms: int
    retention_bytes: int
    cleanup_policy: str
    insync_min: int
    unclean_election: bool
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientOperation:
    """One client call and how it ended: ok, fail, or unknown (a time-out is never a fail)."""

    client_key: str
    outcome: str
    order_id: str | None
    amount_cents: int | None


@dataclass(frozen=True, slots=True)
class History:
    """What the clients of one run saw; keys of the run all begin with `key_prefix`."""

    tenant_id: str
    key_prefix: str
    operations: tuple[ClientOperation, ...]
