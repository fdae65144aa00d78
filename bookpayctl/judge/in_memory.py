"""Ledgers that were read into objects, written into the canonical tables.

The bridge between facts that are values and rules that are SQL: tests that build a shop by hand,
and what has not been read as a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bookpayctl.judge.invariants.facts import CLOCK_SKEW_MAX, Facts
from bookpayctl.judge.ledgers.sink import RowSink, Value
from bookpayctl.judge.ledgers.store import Connection, fill
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.rows import Database, Log, Stripe

Rows = Iterable[dict[str, Value]]

NO_HISTORY: Final = "no client history was given"
NO_DELIVERIES: Final = "only the twin shows what it delivered"
LOG_TABLES: Final = ("log_records", "log_partitions", "log_groups", "log_topics")
STRIPE_TABLES: Final = (
    "stripe_payment_intents",
    "stripe_charges",
    "stripe_refunds",
    "stripe_disputes",
    "stripe_events",
)


def fill_tables(connection: Connection, facts: Facts, folder: Path) -> None:
    """Make every table of the schema in the engine, with these facts in them."""
    contents = rows_of(facts)
    for table in tables().values():
        with RowSink(table, folder / f"{table.name}.jsonl") as sink:
            for row in contents.get(table.name, ()):
                sink.put(row)
        fill(connection, table, sink.path)


def rows_of(facts: Facts) -> dict[str, Rows]:
    """The rows of each table by its name."""
    absent = dict(_absent(facts))
    return {
        "judgement": [_judgement(facts)],
        "absent": [
            {"table_name": name, "reason": reason, "chosen": chosen}
            for name, (reason, chosen) in absent.items()
        ],
        **_of_database(facts.database),
        **(_of_log(facts.log) if facts.log else {}),
        **(_of_stripe(facts.stripe) if facts.stripe else {}),
        "stripe_requests": [
            {
                "idempotency_key": row.key,
                "path": row.path,
                "body_sha256": row.body_sha256,
                "executed": row.executed,
                "environment": row.environment,
                "object_id": row.object_id,
                "request_id": row.request_id,
            }
            for row in facts.requests or ()
        ],
        "client_operations": [
            {
                "client_key": row.client_key,
                "outcome": row.outcome,
                "order_id": row.order_id,
                "amount": row.amount_cents,
            }
            for row in (facts.history.operations if facts.history else ())
        ],
        "probes": [
            *_probes("client_key", facts.excluded.client_keys),
            *_probes("event", facts.excluded.event_ids),
            *_probes("stripe_event", facts.excluded.stripe_event_ids),
        ],
    }


def _probes(kind: str, ids: Iterable[str]) -> Rows:
    return [{"kind": kind, "id": id_} for id_ in sorted(ids)]


def _judgement(facts: Facts) -> dict[str, Value]:
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


def _absent(facts: Facts) -> Iterator[tuple[str, tuple[str, bool]]]:
    """Table, reason, and whether it is a choice, of each table that is not there."""
    told = facts.absent
    if facts.log is None:
        reason = told.get("log", "the log ledger could not be read")
        yield from ((name, (reason, False)) for name in LOG_TABLES)
    elif facts.log.topics is None:
        yield "log_topics", (told.get("topics", "the topics ledger could not be read"), False)
    if facts.stripe is None:
        reason = told.get("stripe", "the stripe ledger could not be read")
        yield from ((name, (reason, False)) for name in STRIPE_TABLES)
    if facts.stripe is None or facts.stripe.delivered is None:
        yield "stripe_deliveries", (told.get("deliveries", NO_DELIVERIES), True)
    if facts.requests is None:
        reason = told.get("requests", "the requests ledger could not be read")
        yield "stripe_requests", (reason, False)
    if facts.history is None:
        yield "client_operations", (told.get("history", NO_HISTORY), True)
    if facts.database.calls is None:
        yield "calls", ("our journal of calls was not read", False)
    if facts.database.notified is None:
        yield "letters", ("the letters on record were not read", False)


def _of_database(books: Database) -> dict[str, Rows]:
    return {
        "orders": [
            {
                "order_id": row.id,
                "tenant_id": row.tenant_id,
                "amount": row.total_cents,
                "currency": row.currency,
                "status": row.status,
                "client_key": row.client_key,
                "created_at": row.created_at,
            }
            for row in books.orders
        ],
        "outbox": [
            {
                "event_id": row.event_id,
                "event_type": row.event_type,
                "order_id": row.order_id,
                "root_event_id": row.root_event_id,
                "amount": row.amount_cents,
                "currency": row.currency,
                "has_amount": row.has_amount,
                "payload_sha256": row.payload_sha256,
                "published": row.published,
                "created_at": row.created_at,
            }
            for row in books.outbox
        ],
        "payments": [
            {
                "event_id": row.event_id,
                "order_id": row.order_id,
                "amount": row.amount_cents,
                "currency": row.currency,
                "state": row.state,
                "payment_intent_id": row.payment_intent_id,
                "created_at": row.created_at,
            }
            for row in books.payments
        ],
        **_steps_of(books),
        **_money_of(books),
        **_rest_of(books),
    }


def _steps_of(books: Database) -> dict[str, Rows]:
    return {
        "order_steps": [
            {
                "step_number": row.sequence,
                "order_id": row.subject,
                "from_state": row.from_state,
                "to_state": row.to_state,
                "cause": row.cause,
            }
            for row in books.order_transitions
        ],
        "payment_steps": [
            {
                "step_number": row.sequence,
                "event_id": row.subject,
                "kind": row.kind,
                "from_state": row.from_state,
                "to_state": row.to_state,
                "cause": row.cause,
            }
            for row in books.payment_transitions
        ],
    }


def _money_of(books: Database) -> dict[str, Rows]:
    return {
        "refunds": [
            {
                "refund_id": row.refund_id,
                "event_id": row.event_id,
                "idempotency_key": row.idempotency_key,
                "amount": row.amount_cents,
                "state": row.state,
                "stripe_refund_id": row.stripe_refund_id,
            }
            for row in books.refunds
        ],
        "outside_refunds": [
            {
                "stripe_refund_id": row.stripe_refund_id,
                "payment_intent_id": row.payment_intent_id,
                "amount": row.amount_cents,
                "status": row.status,
            }
            for row in books.outside_refunds
        ],
        "disputes": [
            {
                "stripe_dispute_id": row.stripe_dispute_id,
                "payment_intent_id": row.payment_intent_id,
                "amount": row.amount_cents,
                "status": row.status,
            }
            for row in books.disputes
        ],
        "shadows": [
            *_named("event_id", books.shadowed_events),
            *_named("v1_payment_intent_id", books.v1_intents),
        ],
    }


def _named(column: str, ids: Iterable[str]) -> Rows:
    return [{column: id_} for id_ in sorted(ids)]


def _rest_of(books: Database) -> dict[str, Rows]:
    return {
        "inventory": [
            {
                "sku": row.sku,
                "initial": row.initial,
                "on_hand": row.on_hand,
                "reserved": row.reserved,
                "sold": row.sold,
            }
            for row in books.stock
        ],
        "reservations": [
            {
                "order_id": row.order_id,
                "sku": row.sku,
                "quantity": row.quantity,
                "state": row.state,
            }
            for row in books.reservations
        ],
        "webhooks": [
            {
                "stripe_event_id": row.event_id,
                "type": row.type,
                "object_id": row.object_id,
                "received_at": row.received_at,
                "processed": row.processed,
                "parked": row.parked,
            }
            for row in books.webhooks
        ],
        "dead_letters": [
            {
                "dead_letter_id": str(row.id),
                "source": row.source,
                "reason": row.reason,
                "event_id": row.event_id,
                "resolved": row.resolved,
            }
            for row in books.dead_letters
        ],
        "calls": [
            {
                "operation": row.operation,
                "idempotency_key": row.key,
                "event_id": row.event_id,
                "request_id": row.request_id,
            }
            for row in books.calls or ()
        ],
        "letters": [{"event_id": event_id} for event_id in sorted(books.notified or ())],
    }


def _of_log(log: Log) -> dict[str, Rows]:
    return {
        "log_records": [
            {
                "topic": row.topic,
                "partition_number": row.partition,
                "record_offset": row.offset,
                "record_key": row.key,
                "event_id": row.event_id,
                "event_type": row.event_type,
                "payload_sha256": row.payload_sha256,
            }
            for row in log.records
        ],
        "log_partitions": [
            {
                "topic": row.topic,
                "partition_number": row.partition,
                "low_offset": row.first_offset,
                "high_offset": row.end_offset,
                "oldest_at": row.oldest_at,
            }
            for row in log.partitions
        ],
        "log_groups": [
            {
                "consumer_group": row.group,
                "topic": row.topic,
                "partition_number": row.partition,
                "committed_offset": row.committed,
            }
            for row in log.offsets
        ],
        "log_topics": [
            {
                "topic": row.name,
                "partitions": row.partitions,
                "replicas": row.replicas,
                "retention_ms": row.retention_ms,
                "retention_bytes": row.retention_bytes,
                "cleanup_policy": row.cleanup_policy,
                "insync_min": row.insync_min,
                "unclean_election": row.unclean_election,
            }
            for row in log.topics or ()
        ],
    }


def _of_stripe(stripe: Stripe) -> dict[str, Rows]:
    return {
        "stripe_payment_intents": [
            {
                "payment_intent_id": row.id,
                "status": row.status,
                "amount": row.amount_cents,
                "currency": row.currency,
                "event_id": row.event_id,
                "order_id": row.order_id,
                "environment": row.environment,
                "shadow": row.shadow,
            }
            for row in stripe.intents
        ],
        "stripe_charges": [
            {
                "charge_id": row.id,
                "payment_intent_id": row.payment_intent_id,
                "status": row.status,
                "amount": row.amount_cents,
                "currency": row.currency,
                "amount_refunded": row.refunded_cents,
                "created_at": row.created_at,
            }
            for row in stripe.charges
        ],
        "stripe_refunds": [
            {
                "stripe_refund_id": row.id,
                "payment_intent_id": row.payment_intent_id,
                "charge_id": row.charge_id,
                "status": row.status,
                "amount": row.amount_cents,
                "refund_id": row.refund_id,
                "created_at": row.created_at,
            }
            for row in stripe.refunds
        ],
        "stripe_disputes": [
            {
                "stripe_dispute_id": row.id,
                "payment_intent_id": row.payment_intent_id,
                "charge_id": row.charge_id,
                "status": row.status,
                "amount": row.amount_cents,
                "created_at": row.created_at,
            }
            for row in stripe.disputes
        ],
        "stripe_events": [
            {
                "stripe_event_id": row.id,
                "type": row.type,
                "object_id": row.object_id,
                "idempotency_key": row.idempotency_key,
                "created_at": row.created_at,
            }
            for row in stripe.events
        ],
        "stripe_deliveries": [
            {"stripe_event_id": event_id} for event_id in sorted(stripe.delivered or ())
        ],
    }
