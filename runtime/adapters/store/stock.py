"""Books on their shelves: what is reserved, sold and given back.

Every order of a busy book wants the same row of `inventory`, so it is the last that a transaction
touches: its lock is held for the commit and nothing else. An order's reservations are its own; they
move first and say by how much the shelves have to. Shelves are always locked by name, so that
transactions over the same books wait for each other instead of dying of it. The lock is the one
that an UPDATE takes and no stronger: a new reservation shares its book's row until its transaction
ends (its foreign key does), and two orders that both wanted more would wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from psycopg import Connection, Cursor
from psycopg.rows import class_row

from runtime.domain.names import TenantId
from runtime.domain.order import Stock


@dataclass(frozen=True, slots=True)
class StockRow:
    """A book on the shelf; its price is no Money yet, whose bounds are those of one charge."""

    sku: str
    unit_price_cents: int
    currency: str
    on_hand: int


def read(conn: Connection, skus: Sequence[str]) -> list[StockRow]:
    """The named books as they are now, unlocked; unknown names are simply missing."""
    with conn.cursor(row_factory=class_row(StockRow)) as cursor:
        return cursor.execute(
            "SELECT sku, unit_price_cents, currency, on_hand FROM inventory"
            " WHERE sku = ANY (%s) ORDER BY sku",
            (list(skus),),
        ).fetchall()


def read_for_order(
    conn: Connection, tenant_id: TenantId, key: str, skus: Sequence[str]
) -> tuple[list[StockRow], bool]:
    """The same for an order about to be placed, and whether its client's key may be known.

    After the key is held: an order that another request made with it is seen then, and none can be
    made until this transaction ends.

    Returns:
        The books, and False only where no order of this tenant has the key.
    """
    rows = conn.execute(
        "SELECT sku, unit_price_cents, currency, on_hand, EXISTS (SELECT FROM orders"
        " WHERE client_key = %(key)s AND tenant_id = %(tenant_id)s)"
        " FROM inventory WHERE sku = ANY (%(skus)s) ORDER BY sku",
        {"key": key, "tenant_id": tenant_id, "skus": list(skus)},
    ).fetchall()
    # Without a book there is no row that would say.
    return [StockRow(*row[:4]) for row in rows], not rows or rows[0][4]


_TAKE: Final = """
    WITH wanted AS (
        SELECT * FROM unnest(%(skus)s::text[], %(quantities)s::bigint[], %(prices)s::bigint[])
               AS wanted (sku, quantity, price)),
    books AS (SELECT sku FROM inventory WHERE sku IN (SELECT sku FROM wanted)
              ORDER BY sku FOR NO KEY UPDATE)
    UPDATE inventory SET on_hand = on_hand - wanted.quantity,
        reserved = reserved + wanted.quantity
    FROM wanted JOIN books USING (sku)
    WHERE inventory.sku = wanted.sku
      -- As the row is under its lock, whatever it was when the order was priced.
      AND on_hand >= wanted.quantity AND unit_price_cents = wanted.price
"""


def take(conn: Connection, priced: Sequence[StockRow], quantities: Sequence[int]) -> Cursor:
    """Move books from the shelf into an order's reservations, at the price they were read at.

    Returns:
        The cursor: its rowcount is that of the books unless one is short, or costs something else
        by now; in a pipeline it is known at the pipeline's end. Then the transaction must end.
    """
    return conn.execute(
        _TAKE,
        {
            "skus": [row.sku for row in priced],
            "quantities": [*quantities],
            "prices": [row.unit_price_cents for row in priced],
        },
    )


# The state in the WHERE makes a repeat move nothing.
_SELL: Final = """
    UPDATE reservations SET state = 'sold' WHERE order_id = %(order_id)s AND state = 'held'
    RETURNING sku, 0 AS on_hand, -quantity AS reserved, quantity AS sold
"""

_RELEASE: Final = """
    WITH before AS (
        -- From held or from sold: a paid order that is cancelled goes back on the shelf, too.
        SELECT sku, quantity, state FROM reservations
        WHERE order_id = %(order_id)s AND state <> 'released' FOR UPDATE)
    UPDATE reservations SET state = 'released' FROM before
    WHERE order_id = %(order_id)s AND reservations.sku = before.sku
    -- Each copy leaves the count it was in.
    RETURNING before.sku, before.quantity,
        CASE WHEN before.state = 'held' THEN -before.quantity ELSE 0 END,
        CASE WHEN before.state = 'sold' THEN -before.quantity ELSE 0 END
"""

_SHELVES: Final = """
    WITH moved AS (
        SELECT * FROM unnest(%(skus)s::text[], %(on_hand)s::bigint[], %(reserved)s::bigint[],
               %(sold)s::bigint[]) AS moved (sku, on_hand, reserved, sold)),
    books AS (SELECT sku FROM inventory WHERE sku IN (SELECT sku FROM moved)
              ORDER BY sku FOR NO KEY UPDATE)
    UPDATE inventory SET on_hand = inventory.on_hand + moved.on_hand,
        reserved = inventory.reserved + moved.reserved, sold = inventory.sold + moved.sold
    FROM moved JOIN books USING (sku) WHERE inventory.sku = moved.sku
"""


@dataclass(slots=True)
class Shelves:
    """What the steps of one transaction move, put onto the shelves at its end."""

    _moved: list[Cursor] = field(default_factory=list)

    def move(self, conn: Connection, order_id: str, stock: Stock) -> None:
        """Sell or release an order's reservations; asked twice, the second finds none to move."""
        match stock:
            case Stock.SELL:
                self._moved.append(conn.execute(_SELL, {"order_id": order_id}))
            case Stock.RELEASE:
                self._moved.append(conn.execute(_RELEASE, {"order_id": order_id}))
            case Stock.KEEP:
                pass

    def put(self, conn: Connection) -> None:
        """Move the shelves by all of it, in one statement; the next word must be the commit."""
        by_sku: dict[str, tuple[int, int, int]] = {}
        for cursor in self._moved:
            for sku, on_hand, reserved, sold in cursor.fetchall():
                before = by_sku.get(sku, (0, 0, 0))
                by_sku[sku] = (before[0] + on_hand, before[1] + reserved, before[2] + sold)
        self._moved.clear()
        if by_sku:
            on_hand, reserved, sold = map(list, zip(*by_sku.values(), strict=True))
            conn.execute(
                _SHELVES,
                {"skus": [*by_sku], "on_hand": on_hand, "reserved": reserved, "sold": sold},
            )
