"""BP-C003: every PaymentIntent was created with the event_id of an outbox row as its key.

Asked of Stripe, not of our source: the source may be right and a library may still send its own
key on a retry. The gateway's journal has to tell the same story.
"""

from __future__ import annotations

from typing import Any, Final

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.clients.database import reading
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.load import probe_orders
from runtime.domain.names import EventType

CREATE_PATH: Final = "/v1/payment_intents"
EVIDENCE_MAX: Final = 5


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Place one order so that there is something to see, then compare three lists of keys."""
    environment = inquiry.environment
    reader = StripeReader(environment)
    if not reader.keeps_a_ledger:
        return cannot_tell(
            "this Stripe keeps no record of the keys it saw (stripe-mock)",
            fix="use the twin or a sandbox for this check",
        )
    probe = probe_orders.place_probe(
        environment, inquiry.run, payment_method=probe_orders.PAYMENT_METHOD_THAT_PAYS
    )
    paid = probe_orders.wait_for_payment(
        environment,
        probe.event_id,
        frozenset({"succeeded"}),
        deadline_seconds=inquiry.deadline_seconds,
    )
    keys = _creation_keys(reader, environment.settings.get("env", environment.name))
    placed, journal = _our_keys(environment.dsn)
    problems = _problems(keys, placed, journal)
    if not paid.reached:
        state = paid.value[0] if paid.value else "not taken in by the worker"
        problems.append(f"the probe order was not paid in {paid.seconds:.0f} s: {state}")
    elif probe.event_id not in keys:
        problems.append(f"the probe is paid, yet Stripe saw no key {probe.event_id}")
    return judged(
        problems,
        f"{len(keys)} creations at Stripe, each keyed by the event_id of an OrderPlaced",
        len(keys),
        (
            f"probe {probe.order_id}: key {probe.event_id}, {keys.count(probe.event_id)} requests",
            f"distinct keys at Stripe {len(set(keys))}, in our journal {len(journal)}",
        ),
        fix=f"bookpayctl order trace {probe.order_id}",
    )


def _creation_keys(reader: Any, env: str) -> list[str | None]:
    """The key of each request that asked Stripe to create a PaymentIntent of ours.

    A sandbox does not show requests; there every event that a request caused names its key.
    """
    if reader.is_twin:
        return [
            row.get("idempotency_key")
            for row in reader.requests()
            if row["method"] == "POST" and row["path"] == CREATE_PATH and row.get("env") == env
        ]
    return [
        (event.get("request") or {}).get("idempotency_key")
        for event in reader.objects("events", type="payment_intent.created")
        if (event["data"]["object"].get("metadata") or {}).get("env") == env
    ]


def _our_keys(dsn: str) -> tuple[set[str], set[str]]:
    """Event ids of OrderPlaced rows, and the keys our journal says creations carried."""
    with reading(dsn) as conn:
        placed = conn.execute(
            "SELECT event_id::text FROM outbox WHERE event_type = %s",
            (EventType.ORDER_PLACED.value,),
        ).fetchall()
        journal = conn.execute(
            "SELECT DISTINCT idempotency_key FROM stripe_calls WHERE operation LIKE '%charge%'"
            " OR operation LIKE '%create%'"
        ).fetchall()
    return {key for (key,) in placed}, {key for (key,) in journal if key}


def _problems(keys: list[str | None], placed: set[str], journal: set[str]) -> list[str]:
    problems = []
    keyless = sum(1 for key in keys if key is None)
    if keyless:
        problems.append(f"{keyless} creations without a key")
    foreign = sorted({key for key in keys if key and key not in placed})
    if foreign:
        problems.append(f"{len(foreign)} keys that are no event_id: {foreign[:EVIDENCE_MAX]}")
    silent = sorted({key for key in keys if key and key in placed and key not in journal})
    if silent:
        problems.append(f"{len(silent)} keys our journal does not know: {silent[:EVIDENCE_MAX]}")
    invented = sorted(journal - placed)
    if invented:
        problems.append(f"our journal has keys of no order: {invented[:EVIDENCE_MAX]}")
    return problems


CHECK: Final = Check(
    id="BP-C003",
    title="idempotency key is the event_id",
    question="Stripe Idempotency-Key is set from the outbox event_id on every call",
    required="every creation Stripe saw carries an OrderPlaced event_id, as our journal says",
    why="A key that is not durable before the call is a new one after a crash: a second charge.",
    fix="bookpayctl stripe requests; bookpayctl order trace ORDER",
    ask=ask,
)
