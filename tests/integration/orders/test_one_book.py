"""Many orders of one book at once: they wait for each other's commits, and none dies of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from runtime.adapters.store import orders, stock
from runtime.adapters.store.database import connect
from runtime.adapters.store.orders import Item, NewOrder
from runtime.adapters.store.stock import Shelves
from runtime.domain.money import Money
from runtime.domain.names import EventId, OrderId, TenantId
from runtime.domain.order import Stock
from tests.support.stack import PRICE_CENTS, Database

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def two(database: Database) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """Two connections as the services open them."""
    database.add_book("book", 10)
    with ExitStack() as opened:
        yield tuple(  # type: ignore[misc]
            opened.enter_context(connect(database.dsn, f"shopper-{n}")) for n in range(2)
        )


def write_order(conn: psycopg.Connection) -> OrderId:
    """The order and its reservation, whose foreign key holds on to the book's row."""
    order_id = OrderId(f"ord_{uuid4().hex}")
    order = NewOrder(
        order_id,
        TenantId("acme"),
        "customer",
        Money(PRICE_CENTS, "usd"),
        EventId(uuid4()),
        None,
        uuid4().hex,
        bytes(32),
        (Item("book", 1),),
        NOW,
        NOW,
    )
    orders.insert_order(conn, order)
    return order_id


def take_and_commit(conn: psycopg.Connection) -> int:
    taken = stock.take(conn, stock.read(conn, ["book"]), [1]).rowcount
    conn.commit()
    return taken


def test_two_orders_of_one_book_that_are_both_reserved_are_both_taken(
    two: tuple[psycopg.Connection, psycopg.Connection], database: Database
) -> None:
    for conn in two:
        conn.autocommit = False
        write_order(conn)

    with ThreadPoolExecutor(2) as threads:
        taken = list(threads.map(take_and_commit, two))

    assert taken == [1, 1]
    assert database.stock("book") == (8, 2, 0)


def test_a_sale_does_not_wait_for_an_order_that_is_being_written(
    two: tuple[psycopg.Connection, psycopg.Connection], database: Database
) -> None:
    seller, shopper = two
    shopper.autocommit = False
    with seller.transaction():
        sold = write_order(seller)
        stock.take(seller, stock.read(seller, ["book"]), [1])
    write_order(shopper)

    # Would be ended by the statement's time-out: the other one does not commit before it.
    with seller.transaction():
        shelves = Shelves()
        shelves.move(seller, sold, Stock.SELL)
        shelves.put(seller)

    assert take_and_commit(shopper) == 1
    assert database.stock("book") == (8, 1, 1)
