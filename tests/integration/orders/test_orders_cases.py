"""Every request an honest or a hostile client may bring to the orders API, O01 to O32, as a table.

Bytes over a plain socket, so that no client library mends them; the answers are written by hand.
The service stands alone on a database of its own: there is no broker, which it must not need.
Whatever is refused has changed no row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from bookpayctl.clients.raw_http import RawAnswer, RawRequest, exchange
from tests.support.orders_table import (
    ELSEWHERE,
    EXPIRED_TOKEN,
    OTHER_TOKEN,
    TABLE,
    TOKEN,
    Ask,
    Line,
)
from tests.support.processes import ServiceProcess, running
from tests.support.services_alone import orders_alone
from tests.support.stack import Database

TABLES = ("orders", "order_events", "reservations", "inventory", "outbox", "payments")


@pytest.fixture(scope="module")
def shop_database(create_database: Callable[..., str]) -> Iterator[Database]:
    fresh = Database(create_database())
    fresh.add_tenant("acme", TOKEN)
    fresh.add_tenant("other", OTHER_TOKEN)
    fresh.run(
        "INSERT INTO api_tokens (token_sha256, tenant_id, expires_at)"
        " VALUES (%s, 'acme', now() - interval '1 second')",
        hashlib.sha256(EXPIRED_TOKEN.encode()).digest(),
    )
    fresh.add_book("book", 1_000_000)
    fresh.add_book("scarce", 1)
    yield fresh
    fresh.conn.close()


@pytest.fixture(scope="module")
def orders(
    shop_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    with running(orders_alone(shop_database.dsn, tmp_path_factory.mktemp("orders"))) as service:
        yield service


@pytest.fixture(scope="module")
def theirs(orders: ServiceProcess) -> str:
    """An order of another tenant."""
    placed = send(orders, Ask(token=OTHER_TOKEN))
    assert placed.status == 201
    order_id: str = json.loads(placed.body)["id"]
    return order_id


def send(orders: ServiceProcess, ask: Ask) -> RawAnswer:
    return send_bytes(orders, ask.encode())


def send_bytes(orders: ServiceProcess, raw: bytes) -> RawAnswer:
    return exchange("127.0.0.1", orders.port, RawRequest(raw, lambda: [raw]))


def contents(database: Database) -> dict[str, str]:
    """A digest of every row an order could write."""
    return {
        table: database.value(
            f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
        )
        for table in TABLES
    }


def test_the_table_has_every_case_of_the_reference() -> None:
    assert {line.case for line in TABLE} | ELSEWHERE == {f"O{n:02}" for n in range(1, 33)}
    assert len({line.id for line in TABLE}) == len(TABLE)


@pytest.mark.parametrize("line", TABLE, ids=[line.id for line in TABLE])
def test_a_request_gets_its_exact_refusal_and_changes_nothing(
    orders: ServiceProcess, shop_database: Database, theirs: str, line: Line
) -> None:
    before = contents(shop_database)

    heard = send_bytes(orders, line.ask.encode().replace(b"@theirs@", theirs.encode()))

    problem = json.loads(heard.body)
    assert (heard.status, problem["code"]) == line.answer, heard
    assert problem["status"] == heard.status
    assert set(problem) == {"type", "title", "status", "code"}
    assert heard.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in heard.headers) == (heard.status == 401)
    assert ("allow" in heard.headers) == (heard.status == 405)
    assert contents(shop_database) == before


@pytest.mark.parametrize(
    "text",
    [
        *("'; DROP TABLE orders;--", '{"$gt":""}', "{{7*7}}", "${jndi:ldap://x}", "<script>"),
        *("%0d%0aSet-Cookie: a", '","level":"CRITICAL","x":"', "😀 Zoë", "[" * 200, "\\u0000"),
    ],
)
def test_an_unusual_text_is_stored_literally_and_cannot_write_a_log_line(
    orders: ServiceProcess, shop_database: Database, text: str
) -> None:
    """O22, and the emoji of O21."""
    placed = send(orders, Ask({"customer_id": text}))

    order_id = json.loads(placed.body)["id"]
    assert placed.status == 201
    assert shop_database.value("SELECT customer_id FROM orders WHERE id = %s", order_id) == text
    assert {json.loads(line)["level"] for line in orders.log.splitlines()} <= {"INFO", "WARNING"}


def test_one_key_with_one_body_is_one_order_and_with_another_body_a_refusal(
    orders: ServiceProcess, shop_database: Database
) -> None:
    """O07 and O08."""
    key = uuid4().hex
    first, second = send(orders, Ask(key=key)), send(orders, Ask(key=key))
    before = contents(shop_database)
    other = send(orders, Ask({"customer_id": "cust_2"}, key=key))

    assert (first.status, second.status, second.body) == (201, 201, first.body)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert (other.status, json.loads(other.body)["code"]) == (422, "key_reused")
    assert contents(shop_database) == before


def test_the_same_key_of_another_tenant_is_another_order(orders: ServiceProcess) -> None:
    """O10."""
    key = uuid4().hex

    answers = [send(orders, Ask(key=key, token=token)) for token in (TOKEN, OTHER_TOKEN)]

    assert [answer.status for answer in answers] == [201, 201]
    assert len({json.loads(answer.body)["id"] for answer in answers}) == 2


def test_an_order_needs_no_broker(orders: ServiceProcess) -> None:
    """O32, its second half: the outbox keeps the event until there is one."""
    assert send(orders, Ask()).status == 201


def test_no_refusal_was_a_surprise_to_the_service(orders: ServiceProcess) -> None:
    """Last of the file: nothing above was logged as an error of its own."""
    assert "Traceback" not in orders.log
    assert "Exception in ASGI" not in orders.log
