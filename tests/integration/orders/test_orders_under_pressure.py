"""Many at once, slow ones, greedy ones, and a database that is held or away: answered, in time."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from bookpayctl.clients.raw_http import RawRequest, exchange
from tests.support.http_client import Answer, HttpClient
from tests.support.processes import ServiceProcess, running
from tests.support.servers import Servers
from tests.support.services_alone import orders_alone
from tests.support.stack import PRICE_CENTS, Database, connect
from tests.support.waiting import PATIENCE_SECONDS, eventually

TOKEN, OTHER_TOKEN = "token-acme", "token-other"
Start = Callable[..., ServiceProcess]


@pytest.fixture
def shop_database(database: Database) -> Database:
    database.add_tenant("acme", TOKEN)
    database.add_tenant("other", OTHER_TOKEN)
    database.add_book("book", 1_000_000)
    return database


@pytest.fixture
def start(shop_database: Database, tmp_path: Path) -> Iterator[Start]:
    """Starts the orders API with settings of the test's own."""
    with ExitStack() as started:
        yield lambda **variables: started.enter_context(
            running(orders_alone(shop_database.dsn, tmp_path, **variables))
        )


@pytest.fixture
def clients() -> Iterator[HttpClient]:
    """As many clients at once as a test has threads."""
    client = HttpClient(timeout_seconds=60.0)
    yield client
    client.close_connections()


def post(
    clients: HttpClient,
    orders: ServiceProcess,
    *,
    key: str | None = None,
    token: str = TOKEN,
    sku: str = "book",
) -> Answer:
    document = {
        "items": [{"sku": sku, "quantity": 1}],
        "currency": "usd",
        "customer_id": "cust_1",
    }
    return clients.request(
        "POST",
        f"{orders.url}/orders",
        body=json.dumps(document).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key or uuid4().hex,
        },
    )


def code_of(answer: Answer) -> str:
    code: str = answer.json["code"]
    return code


# --- one key, one copy --------------------------------------------------------------------------


def test_while_a_key_is_in_flight_a_second_request_with_it_is_told_so(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    """O09. The first is held at its last step by a failpoint, not by luck."""
    orders = start(BOOKPAY_FAILPOINTS="on")
    shop_database.arm("api.before_commit", "delay", tenant_id="acme", argument="3")
    key = uuid4().hex

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(post, clients, orders, key=key)
        eventually(
            lambda: shop_database.rows("SELECT 1 FROM failpoint_hits"), "the first is at its commit"
        )
        second = post(clients, orders, key=key)
        answered = first.result()

    assert (second.status, code_of(second)) == (409, "key_in_progress")
    assert answered.status == 201
    assert post(clients, orders, key=key).body == answered.body


def test_a_process_frozen_with_its_commit_on_its_way_has_committed_and_says_so_later(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    orders = start(BOOKPAY_FAILPOINTS="on")
    shop_database.arm("api.commit_sent_conn_dropped", "stop", tenant_id="acme", argument="5")

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(post, clients, orders)
        eventually(
            lambda: shop_database.rows("SELECT 1 FROM orders"), "committed while it sleeps", 3.0
        )
        answered = first.result()

    assert answered.status == 201
    assert shop_database.value("SELECT id FROM orders") == answered.json["id"]


def test_a_thousand_parallel_posts_of_one_key_are_one_order(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    """O27."""
    orders, key = start(), uuid4().hex

    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda _: post(clients, orders, key=key), range(1000)))

    placed = [answer for answer in answers if answer.status == 201]
    others = [answer for answer in answers if answer.status != 201]
    assert len({answer.body for answer in placed}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in placed) == 1
    assert Counter((a.status, code_of(a)) for a in others).keys() <= {(409, "key_in_progress")}
    assert shop_database.value("SELECT count(*) FROM orders") == 1
    assert shop_database.stock("book") == (999_999, 1, 0)


def test_a_thousand_buyers_of_the_last_copy_are_one_buyer(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    orders = start()
    shop_database.add_book("last", 1)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: post(clients, orders, sku="last"), range(1000)))

    statuses = Counter(answer.status for answer in answers)
    assert statuses == {201: 1, 409: 999}
    assert {code_of(answer) for answer in answers if answer.status == 409} == {"out_of_stock"}
    assert shop_database.rows("SELECT status, total_cents FROM orders") == [
        ("pending", PRICE_CENTS)
    ]
    assert shop_database.stock("last") == (0, 1, 0)
    assert shop_database.value("SELECT count(*) FROM outbox") == 1
    assert shop_database.value("SELECT sum(quantity) FROM reservations WHERE sku = 'last'") == 1


def test_a_failpoint_that_is_armed_is_not_asked_for_while_failpoints_are_off(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    """What a production process must do with a row that somebody wrote: nothing at all."""
    orders = start()
    shop_database.arm("api.before_commit")

    answer = post(clients, orders)

    assert answer.status == 201
    assert shop_database.rows("SELECT remaining FROM failpoints") == [(1,)]
    assert shop_database.value("SELECT count(*) FROM failpoint_hits") == 0


# --- quotas -------------------------------------------------------------------------------------


def test_a_tenant_over_its_quota_is_told_when_to_come_again_and_the_database_is_not_asked(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    """O28. Three, and one more in 20 s; the first request of a token only introduces it."""
    orders = start(BOOKPAY_ORDERS_BURST="3", BOOKPAY_ORDERS_RATE_PER_SECOND="0.05")

    answers = [post(clients, orders) for _ in range(8)]
    other = post(clients, orders, token=OTHER_TOKEN)
    shed = [answer for answer in answers if answer.status == 429]

    assert [answer.status for answer in answers] == [201] * 4 + [429] * 4
    assert {code_of(answer) for answer in shed} == {"rate_limited"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 20 for answer in shed)
    assert other.status == 201
    assert shop_database.value("SELECT count(*) FROM orders WHERE tenant_id = 'acme'") == 4


def test_a_shed_request_is_answered_although_the_database_is_held(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    """Shed before the database: with every table of the order locked it still answers at once."""
    orders = start(BOOKPAY_ORDERS_BURST="1", BOOKPAY_ORDERS_RATE_PER_SECOND="0.01")
    assert [post(clients, orders).status for _ in range(2)] == [201, 201]
    with psycopg.connect(shop_database.dsn) as holder:
        holder.execute("LOCK TABLE bookstore_platform.api_tokens IN ACCESS EXCLUSIVE MODE")

        answer = post(clients, orders)

    # Whoever asks the database now gets no answer within a statement's time-out, and says 503.
    assert answer.status == 429


def test_a_load_far_above_the_load_tests_is_within_the_default_quota(
    start: Start, clients: HttpClient
) -> None:
    """1,000 requests as fast as they go; the load test makes 200 a second."""
    orders = start()

    with ThreadPoolExecutor(16) as threads:
        statuses = Counter(
            threads.map(lambda _: post(clients, orders, key="one").status, range(1000))
        )

    assert 429 not in statuses


# --- pressure -----------------------------------------------------------------------------------


def test_when_every_connection_is_held_requests_are_shed_in_time_and_none_hangs(
    start: Start, shop_database: Database, clients: HttpClient
) -> None:
    """The row every order needs is locked: connections, then threads, then patience run out."""
    orders = start()
    with psycopg.connect(shop_database.dsn) as holder, ThreadPoolExecutor(400) as threads:
        # What 400 requests cost on this machine, as busy as it is, when nothing is held.
        began = time.monotonic()
        refused = list(threads.map(lambda _: post(clients, orders, token="nobody's"), range(400)))
        unhindered = time.monotonic() - began
        holder.execute("SELECT 1 FROM bookstore_platform.inventory FOR UPDATE")
        began = time.monotonic()

        answers = list(threads.map(lambda _: post(clients, orders), range(400)))

        took = time.monotonic() - began
    assert {answer.status for answer in refused} == {401}
    assert {(answer.status, code_of(answer)) for answer in answers} == {(503, "unavailable")}
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    # 3 s for a thread, 2 s for a connection, 5 s for a statement, and as much again. Without the
    # first of these bounds it would be half a minute more than the requests cost alone.
    assert took < 20 + 3 * unhindered
    assert shop_database.value("SELECT count(*) FROM orders") == 0
    eventually(lambda: post(clients, orders).status == 201, "orders are taken again")


def test_a_database_that_is_away_is_a_503_with_a_time_to_come_again(
    start: Start, shop_database: Database, clients: HttpClient, servers: Servers
) -> None:
    """O32, its first half; the same key then makes one order."""
    orders, key = start(), uuid4().hex
    name = shop_database.value("SELECT current_database()")
    shop_database.conn.close()
    with psycopg.connect(servers.dsn, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            away = post(clients, orders, key=key)
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    shop_database.conn = connect(shop_database.dsn)

    assert (away.status, code_of(away), away.headers["Retry-After"]) == (503, "unavailable", "1")
    eventually(lambda: post(clients, orders, key=key).status == 201, "orders are taken again")
    assert shop_database.value("SELECT count(*) FROM orders") == 1


# --- slow ones ----------------------------------------------------------------------------------


def head(length: int) -> bytes:
    return (
        "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\nIdempotency-Key: k\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def drops(raw: bytes) -> list[bytes]:
    return [raw[n : n + 1] for n in range(len(raw))]


@pytest.mark.parametrize(
    "pieces",
    [drops(head(2)), [head(2)], [head(100), *drops(b" " * 100)], [b"POST /orders HTTP/1.1\r\n"]],
    ids=["a head by the second", "no body", "a body by the second", "half a head"],
)
def test_a_client_that_takes_its_time_is_told_to_go(start: Start, pieces: list[bytes]) -> None:
    """O31: eight seconds, whatever trickles in meanwhile."""
    orders = start()
    request = RawRequest(b"", lambda: pieces, pause_seconds=1.0)

    heard = exchange("127.0.0.1", orders.port, request, deadline_seconds=PATIENCE_SECONDS)

    assert heard.status == 408, heard
    assert json.loads(heard.body)["code"] == "request_timeout"
    assert heard.seconds < PATIENCE_SECONDS / 2


def test_a_client_that_connects_and_says_nothing_is_let_go(start: Start) -> None:
    orders = start()

    silent = RawRequest(b"", list, half_close=False)
    heard = exchange("127.0.0.1", orders.port, silent, deadline_seconds=PATIENCE_SECONDS)

    assert heard.problem == "closed without an answer"
    assert heard.seconds < PATIENCE_SECONDS / 2


def test_a_client_that_goes_away_in_the_middle_leaves_no_trace(
    start: Start, shop_database: Database
) -> None:
    orders = start()
    cut = RawRequest(b"", lambda: [head(100) + b"{"], half_close=True)

    heard = exchange("127.0.0.1", orders.port, cut)

    assert heard.status == 400
    assert json.loads(heard.body)["code"] == "request_malformed"
    assert shop_database.value("SELECT count(*) FROM orders") == 0
    assert "Traceback" not in orders.log


def test_a_connection_survives_a_refusal_that_came_before_the_body(start: Start) -> None:
    """Clients keep connections; one that breaks after a 401 would cost them the next request."""
    orders = start()
    unsigned = head(2).replace(b"Authorization", b"X-Forgotten")
    with socket.create_connection(
        ("127.0.0.1", orders.port), timeout=PATIENCE_SECONDS
    ) as connection:
        answers: list[bytes] = []
        for _ in range(3):
            connection.sendall(unsigned)
            answer = b""
            while not answer.endswith(b"}"):
                piece = connection.recv(65_536)
                assert piece, (answers, answer)
                answer += piece
            answers.append(answer)
            # The body that was promised, after its refusal.
            connection.sendall(b"{}")

    assert [answer.split(b" ")[1] for answer in answers] == [b"401"] * 3


def test_a_refused_body_that_does_not_end_is_not_read_for_ever(start: Start) -> None:
    """After its 401 a sender has two seconds and 64 KiB to finish; then the connection is gone."""
    orders = start()
    unsigned = (
        b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100000000\r\n\r\n"
    )
    with socket.create_connection(
        ("127.0.0.1", orders.port), timeout=PATIENCE_SECONDS
    ) as connection:
        connection.sendall(unsigned)
        # A server that read on would send nothing and keep it open: the read times out.
        heard = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert heard.startswith(b"HTTP/1.1 401 ")
