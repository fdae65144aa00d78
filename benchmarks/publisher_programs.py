"""Programs that stand beside our publisher: the chapter's loop, and what nobody is faster than.

Each is a process of its own, so that what it costs can be counted. The loop is the chapter's, as it
is written there: 100 rows every 2 s, no order, each marked when the broker has it. The other two
publish nothing of an outbox: they only send, or only read, the same rows.

    python -m benchmarks.publisher_programs loop DSN SERVERS
    python -m benchmarks.publisher_programs produce SERVERS ROWS
    python -m benchmarks.publisher_programs copy DSN
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Final
from uuid import uuid4

import psycopg
from confluent_kafka import Producer

from bookpayctl.clients.database import connect

TOPIC: Final = "orders.placed"
LIMIT: Final = 100
EVERY_SECONDS: Final = 2.0

PAYLOAD: Final = json.dumps(
    {
        "event_id": str(uuid4()),
        "root_event_id": str(uuid4()),
        "order_id": "ord_1",
        "occurred_at": "2026-11-30T12:00:00.000000+00:00",
        "amount_cents": 4200,
        "currency": "usd",
        "customer_id": "customer-17",
        "items": [{"sku": "book-0001", "quantity": 1}],
    }
).encode()


def open_producer(servers: str) -> Producer:
    """As our publisher's: every copy has it, and nothing twice within a session."""
    return Producer(
        {
            "bootstrap.servers": servers,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
        }
    )


def run_loop(dsn: str, servers: str) -> None:
    """The chapter's loop; it ends when it is told to."""
    producer = open_producer(servers)
    with connect(dsn, autocommit=True, options="-c search_path=bookstore_platform") as conn:
        while True:
            publish_some(conn, producer)
            time.sleep(EVERY_SECONDS)


def publish_some(conn: psycopg.Connection, producer: Producer) -> None:
    """A hundred rows at most: sent, waited for, marked one by one."""
    rows = conn.execute(
        "SELECT event_id::text, payload::text FROM outbox WHERE published_at IS NULL LIMIT %s",
        (LIMIT,),
    ).fetchall()
    for event_id, payload in rows:
        producer.produce(TOPIC, key=event_id, value=payload)
    producer.flush()
    for event_id, _ in rows:
        conn.execute("UPDATE outbox SET published_at = now() WHERE event_id = %s", (event_id,))


def produce(servers: str, rows: int) -> int:
    """Send as many records as there are rows; returns how many."""
    producer = open_producer(servers)
    for number in range(rows):
        while True:
            try:
                producer.produce(TOPIC, key=str(number), value=PAYLOAD)
            except BufferError:
                producer.poll(0.01)
            else:
                break
    producer.flush()
    return rows


def copy(dsn: str) -> int:
    """Read the outbox from end to end; returns how many rows came."""
    columns = "event_id, event_type, payload::text, tenant_id, created_at"
    statement = f"COPY (SELECT {columns} FROM bookstore_platform.outbox) TO STDOUT"
    with connect(dsn) as conn, conn.cursor().copy(statement.encode()) as lines:
        return sum(1 for _ in lines.rows())


def told(rows: int, seconds: float) -> str:
    """One line of JSON for whoever started it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return json.dumps(
        {
            "rows": rows,
            "seconds": seconds,
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_rss_mb": used.ru_maxrss / 1000,
        }
    )


def main() -> int:
    """Run the one that is named."""
    match sys.argv[1:]:
        case ["loop", dsn, servers]:
            run_loop(dsn, servers)
            return 0
        case ["produce", servers, wanted]:
            began = time.perf_counter()
            rows = produce(servers, int(wanted))
        case ["copy", dsn]:
            began = time.perf_counter()
            rows = copy(dsn)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(told(rows, time.perf_counter() - began))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
