"""BP-C003: every PaymentIntent was created with the event_id of an outbox row as its key.

Asked of Stripe, not of our source: the source may be right and a library may still send its own
key on a retry. Where a recording tap stands before Stripe it is asked, and so is Stripe as far as
it can tell. The gateway's journal has to tell the same story.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.clients.database import reading
from bookpayctl.judge.readers.stripe import StripeReader, is_creation
from bookpayctl.load import probe_orders
from runtime.domain.names import EventType

EVIDENCE_MAX: Final = 5


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Place one order so that there is something to see, then compare three lists of keys."""
    environment = inquiry.environment
    reader = StripeReader(environment)
    if not reader.keeps_a_ledger and not reader.is_tapped:
        return cannot_tell(
            "this Stripe keeps no record of the keys it saw (stripe-mock)",
            fix="bookpayctl up --tap, which records them, or the twin, or a sandbox",
        )
    probe = probe_orders.place_probe(
        environment, inquiry.run, payment_method=probe_orders.PAYMENT_METHOD_THAT_PAYS
    )
    # A Stripe that remembers nothing pays nothing: there the creation is all that can be seen.
    wanted = "succeeded" if reader.keeps_a_ledger else "processing"
    paid = probe_orders.wait_for_payment(
        environment,
        probe.event_id,
        frozenset({wanted}),
        deadline_seconds=inquiry.deadline_seconds,
    )
    seen = _creation_keys(reader, environment.settings.get("env", environment.name))
    placed, journal = _our_keys(environment.dsn)
    problems = [
        p for source, keys in seen.items() for p in _problems(source, keys, placed, journal)
    ]
    problems += _invented(placed, journal)
    if not paid.reached:
        state = paid.value[0] if paid.value else "not taken in by the worker"
        problems.append(f"the probe order was not {wanted} in {paid.seconds:.0f} s: {state}")
    else:
        problems += [
            f"the probe is {wanted}, yet {source} saw no key {probe.event_id}"
            for source, keys in seen.items()
            if probe.event_id not in keys
        ]
    counted = ", ".join(f"{len(keys)} creations seen by {source}" for source, keys in seen.items())
    return judged(
        problems,
        f"{counted}; each keyed by the event_id of an OrderPlaced",
        max(len(keys) for keys in seen.values()),
        (
            f"probe {probe.order_id}: key {probe.event_id}",
            *(
                f"{source}: {keys.count(probe.event_id)} requests with it,"
                f" {len(set(keys))} distinct keys in all"
                for source, keys in seen.items()
            ),
            f"distinct keys in our journal {len(journal)}",
        ),
        fix=f"bookpayctl order trace {probe.order_id}",
    )


def _creation_keys(reader: StripeReader, env: str) -> dict[str, list[str | None]]:
    """The key of each request that asked for a PaymentIntent of ours, by who saw it.

    A sandbox does not show requests; there every event that a request caused names its key. What
    goes through the tap is our gateway's, whatever it says of itself.
    """
    seen: dict[str, list[str | None]] = {}
    if reader.is_tapped:
        rows = reader.tapped()
        seen["the recording tap"] = [row["idempotency_key"] for row in rows if is_creation(row)]
    if reader.is_twin:
        seen["Stripe"] = [
            row.get("idempotency_key")
            for row in reader.requests()
            if is_creation(row) and row.get("env") == env
        ]
    elif reader.keeps_a_ledger:
        seen["Stripe"] = [
            (event.get("request") or {}).get("idempotency_key")
            for event in reader.objects("events", type="payment_intent.created")
            if (event["data"]["object"].get("metadata") or {}).get("env") == env
        ]
    return seen


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


def _problems(
    source: str, keys: list[str | None], placed: set[str], journal: set[str]
) -> list[str]:
    problems = []
    keyless = sum(1 for key in keys if key is None)
    if keyless:
        problems.append(f"{source}: {keyless} creations without a key")
    foreign = sorted({key for key in keys if key and key not in placed})
    if foreign:
        named = foreign[:EVIDENCE_MAX]
        problems.append(f"{source}: {len(foreign)} keys that are no event_id: {named}")
    silent = sorted({key for key in keys if key and key in placed and key not in journal})
    if silent:
        named = silent[:EVIDENCE_MAX]
        problems.append(f"{source}: {len(silent)} keys our journal does not know: {named}")
    return problems


def _invented(placed: set[str], journal: set[str]) -> list[str]:
    invented = sorted(journal - placed)
    return [f"our journal has keys of no order: {invented[:EVIDENCE_MAX]}"] if invented else []


CHECK: Final = Check(
    id="BP-C003",
    title="idempotency key is the event_id",
    question="Stripe Idempotency-Key is set from the outbox event_id on every call",
    required="every creation Stripe saw carries an OrderPlaced event_id, as our journal says",
    why="A key that is not durable before the call is a new one after a crash: a second charge.",
    fix="bookpayctl stripe requests; bookpayctl order trace ORDER",
    ask=ask,
)
