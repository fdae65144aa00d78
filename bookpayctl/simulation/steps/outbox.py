"""Events in the outbox: `runtime/adapters/store/outbox.py` and `runtime/domain/event.py`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from bookpayctl.simulation.store import OUTBOX, OutboxRow, Transaction
from bookpayctl.simulation.world import World
from runtime.domain.money import Money
from runtime.domain.names import EventId, EventType, derive_event_id


@lru_cache(maxsize=4096)
def derived(root: str, event_type: EventType, n: int | None = None) -> str:
    """The id of what follows from a root, by the runtime's own rule."""
    return str(derive_event_id(EventId(UUID(root)), event_type, n))


def insert_event(
    world: World,
    tx: Transaction,
    event_type: EventType,
    *,
    root: str,
    order_id: str,
    money: Money,
    n: int | None = None,
    **extra: Any,
) -> None:
    """`outbox.insert_events`: an event that is there already stays as it is."""
    placed = event_type is EventType.ORDER_PLACED
    event_id = root if placed else derived(root, event_type, n)
    row = OutboxRow(
        event_id,
        event_type.value,
        order_id,
        root,
        money,
        world.now,
        world.environment_now,
        tuple(extra.items()),
    )
    tx.insert(OUTBOX, event_id, row)
