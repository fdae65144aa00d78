"""What a drill does to a connection is what a network does to it: each library says so itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest
import urllib3
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg_pool import ConnectionPool

from runtime.adapters import kafka
from runtime.faults import connections
from runtime.faults import http as breakable_http
from runtime.faults.http import NextCall
from tests.support.stack import Database
from tests.support.waiting import eventually

# Nobody else reads it: its records are no events.
TOPIC = "broken-connections"
SEARCH_PATH = "-c search_path=bookstore_platform,public"


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    """A connection like a service's, in a transaction that has written one row."""
    with psycopg.connect(database.dsn, options=SEARCH_PATH) as found:
        write_row(found)
        yield found


def write_row(conn: psycopg.Connection) -> None:
    conn.execute(
        "INSERT INTO orders (id, tenant_id, total_cents, currency)"
        " VALUES ('ord_1', 'acme', 100, 'usd')"
    )


def rows(database: Database) -> int:
    return int(database.value("SELECT count(*) FROM orders"))


def test_a_commit_that_times_out_is_committed_and_looks_like_a_lost_connection(
    database: Database, conn: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.OperationalError):
        connections.Commit(conn).time_out()

    assert rows(database) == 1
    assert conn.broken


def test_a_connection_cut_before_commit_commits_nothing(
    database: Database, conn: psycopg.Connection
) -> None:
    connections.Commit(conn).cut()

    with pytest.raises(psycopg.OperationalError):
        conn.commit()
    assert rows(database) == 0


def test_a_connection_cut_behind_commit_leaves_the_caller_without_an_answer(
    database: Database, conn: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.OperationalError):
        connections.Commit(conn, sent=True).cut()

    eventually(lambda: rows(database) == 1, "the server has committed what it was sent")
    assert conn.broken


@pytest.mark.parametrize("pipelined", [True, False])
def test_a_statement_that_times_out_takes_its_transaction_with_it(
    database: Database, conn: psycopg.Connection, pipelined: bool
) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        run_in_pipeline(conn) if pipelined else connections.Statement(conn).time_out()

    conn.rollback()
    assert rows(database) == 0


def run_in_pipeline(conn: psycopg.Connection) -> None:
    with conn.pipeline():
        connections.Statement(conn).time_out()
        conn.execute("SELECT 1")


def test_an_executed_statement_stays_when_its_answer_is_lost(database: Database) -> None:
    with psycopg.connect(database.dsn, options=SEARCH_PATH, autocommit=True) as conn:
        write_row(conn)
        with pytest.raises(psycopg.OperationalError):
            connections.Executed(conn).time_out()

    assert rows(database) == 1


def test_a_pool_hands_out_what_was_cut_and_then_recovers(database: Database) -> None:
    with ConnectionPool(database.dsn, min_size=2, max_size=2, open=True) as pool:
        pool.wait()
        connections.Pooled(pool).cut()

        for _ in range(2):
            with pytest.raises(psycopg.OperationalError), pool.connection() as conn:
                conn.execute("SELECT 1")
        with pool.connection() as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def topic(bootstrap_servers: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    made = admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    made[TOPIC].result(timeout=60)


@pytest.mark.usefixtures("topic")
def test_a_producer_whose_connections_are_cut_delivers_once(bootstrap_servers: str) -> None:
    reports: list[KafkaError | None] = []
    producer = kafka.producer(bootstrap_servers, "cut", lambda error: None)
    client, _ = kafka.consumer(
        bootstrap_servers, "cut", "cut", instance_id=None, on_error=lambda error: None
    )
    before = end_of_log(client)

    for _ in range(20):
        producer.produce(
            TOPIC, b"{}", partition=0, on_delivery=lambda error, _: reports.append(error)
        )
        producer.poll(0)
        connections.Broker(producer).cut()
    producer.flush(30)

    assert reports == [None] * 20
    assert end_of_log(client) == before + 20
    client.close()


def end_of_log(client: Consumer) -> int:
    """The end of the partition written to; a topic that was just made has no leader at first."""

    def ask() -> tuple[int, int] | None:
        try:
            return client.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=30)
        except KafkaException:
            return None

    return eventually(ask, "the partition has a leader")[1]


def test_a_lost_delivery_report_is_what_librdkafka_says_of_a_timed_out_message(
    bootstrap_servers: str,
) -> None:
    producer = kafka.producer(bootstrap_servers, "lost", lambda error: None)

    with pytest.raises(KafkaException) as raised:
        connections.DeliveryReport(producer).time_out()

    assert raised.value.args[0].code() == KafkaError._MSG_TIMED_OUT


class Counting(ThreadingHTTPServer):
    """Answers every GET, and counts them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.served = 0
        self.break_client: threading.Event | None = None


class Answering(BaseHTTPRequestHandler):
    server: Counting

    def do_GET(self) -> None:
        self.server.served += 1
        if self.server.break_client is not None:
            connections.Client(self.client_address).time_out()
            self.server.break_client.set()
        elif self.path == "/cut":
            connections.Client(self.client_address).cut()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """The test's output is not a log."""


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join(10)


def get(server: Counting, path: str = "/", timeout: float = 5.0) -> int:
    http = urllib3.PoolManager(retries=False, timeout=timeout)
    http.pool_classes_by_scheme = breakable_http.POOLS
    try:
        return http.request("GET", f"http://127.0.0.1:{server.server_port}{path}").status
    finally:
        http.clear()


def test_a_connection_cut_when_a_request_is_written_serves_nothing(server: Counting) -> None:
    NextCall().cut()

    with pytest.raises(urllib3.exceptions.ProtocolError):
        get(server)

    assert server.served == 0
    assert get(server) == 204


def test_a_connection_cut_behind_a_request_leaves_the_caller_without_its_answer(
    server: Counting,
) -> None:
    with (
        breakable_http.telling(lambda line: line.cut()),
        pytest.raises(urllib3.exceptions.ProtocolError),
    ):
        get(server)

    eventually(lambda: server.served == 1, "the request was served all the same")


def test_a_request_that_times_out_has_been_answered(server: Counting) -> None:
    with (
        breakable_http.telling(lambda line: line.time_out()),
        pytest.raises(urllib3.exceptions.ReadTimeoutError),
    ):
        get(server)

    assert server.served == 1


def test_a_client_whose_connection_is_cut_gets_no_answer(server: Counting) -> None:
    with pytest.raises(urllib3.exceptions.ProtocolError):
        get(server, "/cut")

    assert server.served == 1


def test_an_answer_is_held_until_its_client_has_given_up(server: Counting) -> None:
    server.break_client = threading.Event()

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        get(server, timeout=0.3)

    assert server.break_client.wait(60)


def test_a_cut_of_nothing_is_an_error_and_never_a_fault_that_happened() -> None:
    with pytest.raises(connections.NothingToCutError):
        connections.Client(("127.0.0.1", 1)).cut()
    with pytest.raises(connections.NothingToCutError):
        connections.Client(None).time_out()
