"""The end of a run as the judge's ledgers: its tables and columns, as plain rows.

The checker asks these rows, and so does the judge's SQL, so that both answer about the same thing.
Times are virtual seconds here; `judged` makes dates of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bookpayctl.simulation.roles.api import CURRENCY
from bookpayctl.simulation.store import (
    EARLY,
    ORDERS,
    OUTBOX,
    PAYMENTS,
    REFUNDS,
    RESERVATIONS,
    STOCK,
    TERMS,
    WEBHOOKS,
    StepRow,
)
from bookpayctl.simulation.stripe.objects import Intent
from bookpayctl.simulation.world import ENVIRONMENT, World
from runtime.domain.names import PARTITIONS

Row = Mapping[str, Any]
Ledgers = Mapping[str, list[Row]]

TENANT: Final = "simulated-shop"

_NOT_KEPT: Final = {
    "letters": "no letters are simulated",
    "log_topics": "topics of a model have no settings",
}


def ledgers_of(world: World) -> dict[str, list[Row]]:
    """Every table that a simulated stack has; the others are empty."""
    return {
        "judgement": [_judgement(world)],
        "absent": [
            {"table_name": name, "reason": reason, "chosen": True}
            for name, reason in _NOT_KEPT.items()
        ],
        **_books(world),
        **_stock_and_webhooks(world),
        **_log(world),
        **_stripe(world),
        "client_operations": [
            {
                "client_key": told.client_key,
                "outcome": told.outcome,
                "order_id": told.order_id,
                "amount": told.amount,
            }
            for told in world.operations
        ],
    }


def _judgement(world: World) -> Row:
    end = world.environment_now + 60.0
    return {
        "environment": ENVIRONMENT,
        "read_at": world.now,
        "cut_off": end,
        "ahead_from": end,
        "stripe_cut_off": end,
        "stripe_ahead_from": end,
        # Everything was drained: nobody waits by right any more.
        "waiting_since": end,
        "change_data_capture": False,
        "account_is_shared": False,
        "history_tenant_id": TENANT,
        "history_key_prefix": "run-",
    }


# --- PostgreSQL -----------------------------------------------------------------------------


def _books(world: World) -> dict[str, list[Row]]:
    table = world.store.table
    return {
        "orders": [
            {
                "order_id": o.order_id,
                "tenant_id": TENANT,
                "amount": o.total.amount_cents,
                "currency": o.total.currency,
                "status": o.status.value,
                "client_key": o.client_key,
                "created_at": o.created_at,
            }
            for o in table(ORDERS).values()
        ],
        "order_steps": _steps(world.store.order_steps, "order_id"),
        "outbox": [
            {
                "event_id": e.event_id,
                "event_type": e.event_type,
                "order_id": e.order_id,
                "root_event_id": e.root,
                "amount": e.money.amount_cents,
                "currency": e.money.currency,
                "has_amount": True,
                "payload_sha256": e.event_id,
                "published": e.published_at is not None,
                "created_at": e.created_at,
                "published_at": e.published_at,
            }
            for e in table(OUTBOX).values()
        ],
        "payments": [
            {
                "event_id": p.event_id,
                "order_id": p.order_id,
                "amount": p.money.amount_cents,
                "currency": p.money.currency,
                "state": p.payment.state.value,
                "payment_intent_id": p.payment.payment_intent_id,
                "created_at": p.created_at,
            }
            for p in table(PAYMENTS).values()
        ],
        "payment_steps": _steps(world.store.payment_steps, "event_id"),
        "refunds": [
            {
                "refund_id": r.refund_id,
                "event_id": r.event_id,
                "idempotency_key": r.idempotency_key,
                "amount": r.money.amount_cents,
                "state": r.refund.state.value,
                "stripe_refund_id": r.refund.stripe_refund_id,
            }
            for r in table(REFUNDS).values()
        ],
    }


def _stock_and_webhooks(world: World) -> dict[str, list[Row]]:
    table = world.store.table
    early = table(EARLY)
    return {
        "inventory": [
            {
                "sku": s.sku,
                "initial": s.initial,
                "on_hand": s.on_hand,
                "reserved": s.reserved,
                "sold": s.sold,
            }
            for s in table(STOCK).values()
        ],
        "reservations": [
            {"order_id": r.order_id, "sku": r.sku, "quantity": r.quantity, "state": r.state.value}
            for r in table(RESERVATIONS).values()
        ],
        "webhooks": [
            {
                "stripe_event_id": key,
                "type": w.event.type,
                "object_id": w.event.object_id,
                "received_at": w.received_at,
                "processed": w.processed,
                "parked": key in early,
            }
            for key, w in table(WEBHOOKS).items()
        ],
        "publisher_terms": [
            {"term": term, "publisher_id": name, "backend_pid": term, "began_at": began_at}
            for term, (name, began_at) in table(TERMS).items()
        ],
    }


def _steps(steps: list[StepRow], subject: str) -> list[Row]:
    is_payment = subject == "event_id"
    return [
        {
            "step_number": number,
            subject: s.subject,
            **({"kind": s.kind} if is_payment else {}),
            "from_state": s.before,
            "to_state": s.after,
            "cause": s.cause,
            "happened_at": s.at,
        }
        for number, s in enumerate(steps, 1)
    ]


# --- Kafka ------------------------------------------------------------------------------------


def _log(world: World) -> dict[str, list[Row]]:
    places = world.log.records
    return {
        "log_records": [
            {
                "topic": r.topic,
                "partition_number": r.partition,
                "record_offset": r.offset,
                "recorded_at": r.at,
                "record_key": r.event.root,
                "event_id": r.event.event_id,
                "event_type": r.event.event_type,
                "order_id": r.event.order_id,
                "root_event_id": r.event.root,
                "amount": r.event.money.amount_cents,
                "currency": r.event.money.currency,
                "payload_sha256": r.event.event_id,
                "publisher_term": r.term,
            }
            for records in places.values()
            for r in records
        ],
        "log_partitions": [
            {
                "topic": topic,
                "partition_number": n,
                "low_offset": 0,
                "high_offset": len(records),
                "oldest_at": records[0].at,
            }
            for (topic, n), records in places.items()
        ],
        "log_groups": [
            {
                "consumer_group": name,
                "topic": topic,
                "partition_number": n,
                "committed_offset": group.committed.get((topic, n)),
            }
            for name, group in world.log.groups.items()
            for topic in group.topics
            for n in range(PARTITIONS)
        ],
    }


# --- Stripe -----------------------------------------------------------------------------------


def _stripe(world: World) -> dict[str, list[Row]]:
    account = world.account
    return {
        "stripe_payment_intents": [_intent(i) for i in account.intents.values()],
        "stripe_charges": [row for i in account.intents.values() for row in _charges(i)],
        "stripe_refunds": [
            {
                "stripe_refund_id": r.stripe_refund_id,
                "payment_intent_id": r.intent.intent_id,
                "charge_id": r.intent.charges[-1].charge_id,
                "status": r.status,
                "amount": r.amount,
                "refund_id": r.refund_id,
                "created_at": r.created_at,
            }
            for r in account.refunds.values()
        ],
        "stripe_events": [
            {
                "stripe_event_id": e.stripe_event_id,
                "type": e.type,
                "object_id": e.object_id,
                "idempotency_key": e.idempotency_key,
                "created_at": float(e.created_seconds or 0),
            }
            for e in account.events
        ],
        "stripe_requests": [
            {
                "idempotency_key": r.key,
                "path": r.path,
                "body_sha256": r.body,
                "executed": r.executed,
                "environment": ENVIRONMENT,
                "object_id": r.object_id,
            }
            for r in account.requests
        ],
        "stripe_deliveries": [{"stripe_event_id": key} for key in world.delivered],
    }


def _intent(intent: Intent) -> Row:
    return {
        "payment_intent_id": intent.intent_id,
        "status": intent.status,
        "amount": intent.money.amount_cents,
        "currency": intent.money.currency,
        "event_id": intent.metadata["event_id"],
        "order_id": intent.metadata["order_id"],
        "environment": intent.metadata["env"],
        "shadow": False,
        "created_at": intent.created_at,
    }


def _charges(intent: Intent) -> Iterator[Row]:
    for charge in intent.charges:
        yield {
            "charge_id": charge.charge_id,
            "payment_intent_id": intent.intent_id,
            "status": charge.status,
            "amount": charge.amount,
            "currency": CURRENCY,
            "amount_refunded": 0,
            "created_at": charge.created_at,
        }
