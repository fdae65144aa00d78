"""Facts that a test wrote by hand, put into the canonical tables of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from bookpayctl.judge.ledgers.sink import RowSink, Value
from bookpayctl.judge.ledgers.store import LedgerConnection, fill
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.looks import CLOCK_SKEW_MAX, LOG_TABLES, NO_HISTORY
from bookpayctl.judge.readers.stripe import DELIVERIES, LISTS, NO_DELIVERIES, REQUESTS
from tests.support.shop_rows import Facts, PoisonRow

Row = dict[str, Value]

# Columns of each table, in the names that its rows have where those differ.
DATABASE: Final = {
    "orders": ("orders", ("order_id=id tenant_id amount=total_cents currency status client_key"
        " created_at")),
    "outbox": ("outbox", ("event_id event_type order_id root_event_id amount=amount_cents currency"
        " has_amount payload_sha256 published created_at")),
    "payments": ("payments", ("event_id order_id amount=amount_cents currency state"
        " payment_intent_id created_at")),
    "order_steps": ("order_transitions", ("step_number=sequence order_id=subject from_state"
        " to_state cause")),
    "payment_steps": ("payment_transitions", ("step_number=sequence event_id=subject kind"
        " from_state to_state cause")),
    "refunds": ("refunds", ("refund_id event_id idempotency_key amount=amount_cents state"
        " stripe_refund_id")),
    "outside_refunds": ("outside_refunds", ("stripe_refund_id payment_intent_id"
        " amount=amount_cents status")),
    "disputes": ("disputes", "stripe_dispute_id payment_intent_id amount=amount_cents status"),
    "inventory": ("stock", "sku initial on_hand reserved sold"),
    "reservations": ("reservations", "order_id sku quantity state"),
    "webhooks": ("webhooks", ("stripe_event_id=event_id type object_id received_at processed"
        " parked")),
    "dead_letters": ("dead_letters", "dead_letter_id=number source reason event_id resolved"),
    "calls": ("calls", "operation idempotency_key=key event_id request_id"),
}  # fmt: skip
LOG: Final = {
    "log_records": ("records", ("topic partition_number=partition record_offset=offset"
        " record_key=key event_id event_type payload_sha256")),
    "log_partitions": ("partitions", ("topic partition_number=partition low_offset=first_offset"
        " high_offset=end_offset oldest_at")),
    "log_groups": ("offsets", ("consumer_group=group topic partition_number=partition"
        " committed_offset=committed")),
    "log_topics": ("topics", ("topic=name partitions replicas retention_ms retention_bytes"
        " cleanup_policy insync_min unclean_election")),
}  # fmt: skip
STRIPE: Final = {
    "stripe_payment_intents": ("intents", ("payment_intent_id=id status amount=amount_cents"
        " currency event_id order_id environment shadow")),
    "stripe_charges": ("charges", ("charge_id=id payment_intent_id status amount=amount_cents"
        " currency amount_refunded=refunded_cents created_at")),
    "stripe_refunds": ("refunds", ("stripe_refund_id=id payment_intent_id charge_id status"
        " amount=amount_cents refund_id created_at")),
    "stripe_disputes": ("disputes", ("stripe_dispute_id=id payment_intent_id charge_id status"
        " amount=amount_cents created_at")),
    "stripe_events": ("events", "stripe_event_id=id type object_id idempotency_key created_at"),
}  # fmt: skip
REQUEST: Final = "idempotency_key=key path body_sha256 executed environment object_id request_id"
OPERATION: Final = "client_key outcome order_id amount=amount_cents"


def fill_tables(connection: LedgerConnection, facts: Facts, folder: Path) -> None:
    """Make every table of the schema in the engine, with these facts in them."""
    contents = dict(rows_of(facts))
    for table in tables().values():
        with RowSink(table, folder / f"{table.name}.jsonl") as sink:
            for row in contents.get(table.name, ()):
                sink.put(row)
        fill(connection, table, sink.path)


def rows_of(facts: Facts) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each table by its name."""
    yield "judgement", [_judgement(facts)]
    yield "absent", list(_absent(facts))
    for ledger, shapes in ((facts.database, DATABASE), (facts.log, LOG), (facts.stripe, STRIPE)):
        for name, (attribute, shape) in shapes.items():
            yield name, _rows(getattr(ledger, attribute, ()), shape)
    books, stripe, excluded = facts.database, facts.stripe, facts.excluded
    yield "letters", _named("event_id", books.notified)
    yield (
        "shadows",
        [
            *_named("event_id", books.shadowed_events),
            *_named("v1_payment_intent_id", books.v1_intents),
        ],
    )
    yield DELIVERIES, _named("stripe_event_id", stripe.delivered if stripe else ())
    yield REQUESTS, _rows(facts.requests, REQUEST)
    yield "client_operations", _rows(facts.history.operations if facts.history else (), OPERATION)
    yield "faults", [_poisoned(row) for row in facts.poison]
    yield (
        "probes",
        [
            *({**row, "kind": "client_key"} for row in _named("id", excluded.client_keys)),
            *({**row, "kind": "event"} for row in _named("id", excluded.event_ids)),
            *({**row, "kind": "stripe_event"} for row in _named("id", excluded.stripe_event_ids)),
        ],
    )


def _rows(rows: Iterable[Any] | None, shape: str) -> list[Row]:
    columns = [part.partition("=") for part in shape.split()]
    return [{name: getattr(row, field or name) for name, _, field in columns} for row in rows or ()]


def _named(column: str, ids: Iterable[str] | None) -> list[Row]:
    return [{column: id_} for id_ in sorted(ids or ())]


def _poisoned(row: PoisonRow) -> Row:
    return {
        "run_id": "run-1",
        "event": "poisoning" if row.offset is None else "poisoned",
        "fault": "bad-json",
        "topic": row.topic,
        "partition_number": row.partition,
        "record_offset": row.offset,
        "event_id": row.event_id,
    }


def _judgement(facts: Facts) -> Row:
    read_at, ahead = facts.database.read_at, facts.database.clock_ahead
    return {
        "environment": facts.environment,
        "read_at": read_at,
        "cut_off": facts.cut_off,
        "ahead_from": read_at + CLOCK_SKEW_MAX,
        "stripe_cut_off": facts.cut_off + ahead,
        "stripe_ahead_from": read_at + CLOCK_SKEW_MAX + ahead,
        "waiting_since": read_at - facts.webhook_window,
        "change_data_capture": facts.debezium,
        "account_is_shared": facts.account_is_shared,
        "history_tenant_id": facts.history.tenant_id if facts.history else None,
        "history_key_prefix": facts.history.key_prefix if facts.history else None,
    }


def _absent(facts: Facts) -> Iterator[Row]:
    """Each table that is not there, as a look would say it."""
    told, stripe = facts.absent, facts.stripe
    if facts.log is None:
        yield from _missing(LOG_TABLES, told.get("log", "the log could not be read"))
    if stripe is None:
        reason = told.get("stripe", "Stripe could not be read")
        yield from _missing((*LISTS, DELIVERIES), reason)
    elif stripe.delivered is None:
        yield {"table_name": DELIVERIES, "reason": NO_DELIVERIES, "chosen": True}
    if facts.requests is None:
        yield from _missing((REQUESTS,), told.get("requests", "nobody shows the requests"))
    if facts.history is None:
        yield {"table_name": "client_operations", "reason": NO_HISTORY, "chosen": True}


def _missing(names: Iterable[str], reason: str) -> Iterator[Row]:
    for name in names:
        yield {"table_name": name, "reason": reason, "chosen": False}
