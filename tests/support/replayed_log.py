"""A small log and its ledger, as a replay has them, for tests that then break one thing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bookpayctl.judge.ledgers.sink import RowSink
from bookpayctl.judge.ledgers.store import fill, opened
from bookpayctl.replay.comparing import Comparison, ask_all
from bookpayctl.replay.evidence import schema
from bookpayctl.report.verdict import Item
from tests.support.judged_shop import T0, at

ORDER, ROOT, INTENT = "ord_1", "root-1", "pi_1"
MONEY: Final = {"amount": 4999, "currency": "usd"}
TOPIC: Final = {
    "OrderPlaced": "orders.placed",
    "PaymentCompleted": "payments.completed",
    "OrderPaid": "orders.paid",
}
TYPES: Final = tuple(TOPIC)

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def event(event_type: str) -> Row:
    """The outbox row of one step of the order."""
    event_id = ROOT if event_type == "OrderPlaced" else f"{event_type}-1"
    ours = event_type.startswith("Order")
    return {
        "event_id": event_id,
        "event_type": event_type,
        "aggregate": "orders" if ours else "payments",
        "aggregate_id": ORDER if ours else ROOT,
        "tenant_id": "acme",
        "created_text": "2026-11-22T12:00:00.000000+00:00",
        "payload_sha256": f"sha of {event_id}",
        "order_id": ORDER,
        "root_event_id": ROOT,
        **MONEY,
        "created_at": T0,
        "published_at": at(1),
    }


def record(event_type: str, /, **changes: Any) -> Row:
    """The record of that row, as the publisher makes it."""
    row = event(event_type)
    for name in ("created_at", "published_at"):
        del row[name]
    return {
        **row,
        "topic": TOPIC[event_type],
        "partition_number": 0,
        "record_offset": 0,
        "recorded_ms": int(T0.timestamp() * 1000),
        "record_key": ROOT,
        "payload_event_id": row["event_id"],
        "payment_intent_id": INTENT if event_type == "PaymentCompleted" else None,
        **changes,
    }


def tables(**changes: list[Row]) -> Tables:
    """One paid order, with its three events in the log."""
    found: Tables = {
        "asked": [{"began_at": at(60), "by_time": True}],
        "partitions": [
            {
                "topic": topic,
                "partition_number": 0,
                "low_offset": 0,
                "from_offset": 0,
                "to_offset": 1,
                "kept_seconds": 604_800,
            }
            for topic in TOPIC.values()
        ],
        "records": [record(event_type) for event_type in TYPES],
        "events": [event(event_type) for event_type in TYPES],
        "orders": [
            {
                "order_id": ORDER,
                "tenant_id": "acme",
                "status": "paid",
                "event_id": ROOT,
                **MONEY,
            }
        ],
        "payments": [
            {
                "event_id": ROOT,
                "order_id": ORDER,
                "tenant_id": "acme",
                "state": "succeeded",
                "payment_intent_id": INTENT,
                **MONEY,
            }
        ],
        "dead_letters": [],
        "probes": [],
    }
    return {**found, **changes}


def asked(comparison: Comparison, facts: Mapping[str, list[Row]], scratch: Path) -> dict[str, Item]:
    """The answers of every question, by id."""
    with opened() as connection:
        for name, table in schema().items():
            lines = scratch / f"{name}.jsonl"
            with RowSink(table, lines) as sink:
                for row in facts[name]:
                    sink.put(row)
            fill(connection, table, lines)
        return {item.id: item for item in ask_all(connection, comparison)}
