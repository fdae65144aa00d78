"""Whether two looks saw one state: everything that belongs to orders up to the cut-off.

Rows of later orders are left out, so that a shop that goes on selling can be audited. Both looks
are held against one moment, or what is dated ahead would be young in one of them.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.judge.ledgers.store import LedgerConnection, open_folder, quoted
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.looks import CLOCK_SKEW_MAX

# A row belongs to an order that is judged, to its payment, its events, or its PaymentIntent.
_ORDER: Final = "order_id IN (SELECT order_id FROM {look}.due_orders)"
_PAYMENT: Final = "event_id IN (SELECT event_id FROM {look}.due_payments)"
_INTENT: Final = (
    "payment_intent_id IN (SELECT payment_intent_id FROM {look}.due_payments"
    " WHERE payment_intent_id IS NOT NULL)"
)
_EVENT: Final = (
    "event_id IN (SELECT event_id FROM {look}.outbox"
    " WHERE order_id IN (SELECT order_id FROM {look}.due_orders))"
)

PARTS: Final = {
    "orders": _ORDER,
    "order_steps": _ORDER,
    "outbox": _ORDER,
    "payments": _ORDER,
    "payment_steps": _PAYMENT,
    "refunds": _PAYMENT,
    "reservations": _ORDER,
    "outside_refunds": _INTENT,
    "disputes": _INTENT,
    "log_records": _EVENT,
    "stripe_payment_intents": _INTENT,
    "stripe_charges": _INTENT,
    "stripe_refunds": _INTENT,
    "stripe_disputes": _INTENT,
}

# A publisher's mark comes a moment after the record and changes nothing that is judged but itself.
_LEFT_OUT: Final = {"outbox": {"published_at"}}


def open_look(
    connection: LedgerConnection,
    folder: Path,
    name: str,
    *,
    ahead_from: datetime,
    cut_off: datetime,
) -> None:
    """Open a look's ledgers in a schema of that name, with what belongs to judged orders.

    Raises:
        StoreError: they could not be opened.
    """
    open_folder(connection, folder, name)
    connection.execute(
        f"CREATE TABLE {name}.due_orders AS SELECT order_id FROM {name}.orders"
        f" WHERE created_at IS NULL OR created_at < {_at(cut_off)}"
        f" OR created_at > {_at(ahead_from)}"
    )
    connection.execute(
        f"CREATE TABLE {name}.due_payments AS SELECT event_id, payment_intent_id"
        f" FROM {name}.payments WHERE {_ORDER.format(look=name)}"
    )


def digests(
    connection: LedgerConnection, folder: Path, name: str, *, cut_off: datetime, read_at: datetime
) -> dict[str, str]:
    """The digest of each part of a look, by its table.

    Raises:
        StoreError: a part could not be read.
    """
    open_look(connection, folder, name, ahead_from=read_at + CLOCK_SKEW_MAX, cut_off=cut_off)
    return {part: digest(connection, name, part) for part in PARTS}


def digest(connection: LedgerConnection, look: str, part: str) -> str:
    """One digest for a part of an open look, whatever order its rows have: how many, and a sum.

    The sum is of the engine's own 64-bit hash of every column: both looks are digested by one
    engine in one process, so it need not mean anything elsewhere. What the columns were mixed into
    is hashed once more, because sums of mere mixtures hide values that changed places between rows.

    Raises:
        StoreError: the part could not be read.
    """
    names = [n for n in tables()[part].names if n not in _LEFT_OUT.get(part, ())]
    row = connection.execute(
        f"SELECT COUNT(*), COALESCE(SUM(hash(hash({', '.join(names)}))), 0)"
        f" FROM {look}.{part} WHERE {PARTS[part].format(look=look)}"
    ).fetchone()
    return f"{row[0]} {row[1]}" if row else ""


def whole_digest(parts: dict[str, str]) -> str:
    """SHA-256 over the digests of all parts."""
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()


def _at(moment: datetime) -> str:
    """A moment as SQL writes it, UTC."""
    shown = moment.astimezone(UTC).replace(tzinfo=None)
    return f"TIMESTAMP {quoted(shown.isoformat(sep=' ', timespec='microseconds'))}"
