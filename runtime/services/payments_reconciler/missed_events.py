"""Orders that never got their event: it is published again, or, if never written, they end.

The outbox is the record of what was meant to be sent, so what a topic or a group has lost is
refilled from it. An order without any OrderPlaced can never be charged; it is cancelled.

Orders that wait are few. Cancelled ones stay, and are looked at for a week: those that have become
old enough since the last look at once, and the week slice by slice, so that a look reads no more
in a shop with a million of them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg

from runtime.adapters.store import missed, orders, outbox
from runtime.adapters.store.missed import Period, Slice, WaitingOrder
from runtime.domain.missed import EVENT_MISSING, events_missed, root_of_order
from runtime.domain.names import EventId, EventType, OrderStatus, derive_event_id
from runtime.services.payments_reconciler.tools import BATCH, Tools
from runtime.steps.order import cancel_locked_order

logger = logging.getLogger(__name__)


LIMIT: Final = 5 * BATCH
"""More than a batch: most of them need no step, and a look costs the same."""

SLICE_ORDERS: Final = 500
"""Cancelled orders of one slice: milliseconds of a join, and a week of a small shop in one look."""


@dataclass(slots=True)
class WaitingOrders:
    """Which orders seem to have missed an event, look after look."""

    # By the database's clock: where the slice before ended, and up to when all were looked at once.
    _below: datetime | None = None
    _seen_to: datetime | None = None

    def read(self, conn: psycopg.Connection, window: float) -> list[WaitingOrder]:
        """Those that this look is about, in a few statements that read a bounded number of rows."""
        waiting = missed.waiting_orders(conn, window_seconds=window, limit=LIMIT)
        turn = _slice_below(conn, self._below, window) if self._below is not None else None
        if turn is None:
            # The week is through, or has not begun: from its end.
            self._below, turn = None, _slice_below(conn, None, window)
        if turn is None:
            return waiting
        for span in chosen_spans(turn, self._seen_to, from_the_end=self._below is None):
            waiting += missed.waiting_cancelled(conn, span, limit=LIMIT)
        # Only now: a look that broke off is taken again where it was.
        self._below, self._seen_to = turn.since, turn.now
        return waiting


@dataclass(slots=True)
class MissedEvents:
    """The look itself is a join, so it is taken a few times per window and no more."""

    tools: Tools
    _waiting: WaitingOrders = field(default_factory=WaitingOrders)
    _looked_at: float = 0.0

    def look(self) -> int:
        """Publish again what was missed; returns how many events or orders were moved."""
        window = self.tools.settings.event_window_seconds
        now = time.monotonic()
        if now - self._looked_at < window / 4:
            return 0
        self._looked_at = now
        with self.tools.pool.connection() as conn:
            waiting = self._waiting.read(conn, window)
        return sum(self._close(order, window) for order in waiting)

    def _close(self, order: WaitingOrder, window: float) -> int:
        with self.tools.pool.connection() as conn:
            root = order.event_id or _root_on_record(conn, order)
            if root is None:
                return _cancel_without_event(conn, order)
            wanted = events_missed(
                order.status, order.payment_state, cancel_known=order.cancel_known
            )
            ids = [_event_id(root, event_type) for event_type in wanted]
            captured = self.tools.settings.change_data_capture
            republished = missed.republish(conn, ids, window_seconds=window, captured=captured)
            never_sent = EventType.ORDER_PLACED in wanted and not republished
            # Not there, as against sent a moment ago or about to be: it was never written.
            if never_sent and not outbox.holds(conn, root):
                return _cancel_without_event(conn, order)
        for event_id in republished:
            logger.warning(
                "an event had no consequence and is published again",
                extra={"order_id": order.order_id, "event_id": str(event_id)},
            )
        return len(republished)


def chosen_spans(turn: Slice, seen_to: datetime | None, *, from_the_end: bool) -> list[Period]:
    """Which cancelled orders a look is about, none of them twice; pure.

    Args:
        turn: the slice whose turn it is.
        seen_to: up to when orders have been looked at as soon as they were old enough.
        from_the_end: whether it is the week's last one.

    Returns:
        The slice first, then what has become old enough since.
    """
    fresh_until = turn.since if from_the_end else turn.now
    fresh = [] if seen_to is None or seen_to >= fresh_until else [Period(seen_to, fresh_until)]
    return [Period(turn.since, turn.until), *fresh]


def _slice_below(conn: psycopg.Connection, below: datetime | None, window: float) -> Slice | None:
    return missed.slice_below(conn, below, window_seconds=window, size=SLICE_ORDERS)


def _event_id(root: EventId, event_type: EventType) -> UUID:
    return root if event_type is EventType.ORDER_PLACED else derive_event_id(root, event_type)


def _root_on_record(conn: psycopg.Connection, order: WaitingOrder) -> EventId | None:
    locked = orders.lock_order(conn, order.order_id)
    root = orders.root_event_of(conn, locked) if locked else None
    return EventId(root) if root else None


def _cancel_without_event(conn: psycopg.Connection, order: WaitingOrder) -> int:
    locked = orders.lock_order(conn, order.order_id)
    # Looked at again under the lock: its event may have arrived between the two looks.
    if locked is None or locked.status is not OrderStatus.PENDING:
        return 0
    # Derived from the order's id, so that two reconcilers name the cancellation alike.
    root = order.event_id or root_of_order(order.order_id)
    cancel_locked_order(conn, locked, root, cause="reconciler", reason=EVENT_MISSING)
    logger.error(
        "an order has no OrderPlaced and can never be charged; it is cancelled",
        extra={"order_id": order.order_id},
    )
    return 1
