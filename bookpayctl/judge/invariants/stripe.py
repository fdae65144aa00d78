"""I19, I20, I23, I24: webhooks and idempotency keys, ours against Stripe's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bookpayctl.judge.invariants.facts import Facts, group
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from runtime.domain.names import PaymentState

# The Stripe events that decide a payment, and the states in which each has had its effect.
DECIDED: Final[dict[str, frozenset[str]]] = {
    "payment_intent.succeeded": frozenset(
        {PaymentState.SUCCEEDED, PaymentState.REFUNDING, PaymentState.REFUNDED}
    ),
    "payment_intent.canceled": frozenset(
        {PaymentState.FAILED, PaymentState.REFUNDING, PaymentState.REFUNDED}
    ),
}


def stripe_events_took_effect(facts: Facts) -> Finding:
    """I19: what Stripe decided is what our payment says, by webhook or by reconciliation."""
    examined = 0
    found: list[Violation] = []
    payments = {row.payment_intent_id: row for row in facts.payments if row.payment_intent_id}
    for event in facts.stripe.events if facts.stripe else ():
        expected = DECIDED.get(event.type)
        row = payments.get(event.object_id or "")
        if expected is None or row is None:
            continue
        examined += 1
        if row.state not in expected:
            found.append(Violation(row.order_id, f"{event.type} at Stripe, payment is {row.state}"))
    stored = [w for w in facts.database.webhooks if w.received_at < facts.cut_off]
    forgotten = (
        Violation(w.event_id, f"{w.type} was stored and neither applied nor parked")
        for w in stored
        if not w.processed and not w.parked and w.event_id not in facts.excluded.stripe_event_ids
    )
    return finding(examined + len(stored), [*found, *forgotten])


def stored_webhooks_are_stripes(facts: Facts) -> Finding:
    """I20: every webhook we stored exists at Stripe with the same type and object."""
    known = {event.id: event for event in (facts.stripe.events if facts.stripe else ())}
    stored = [
        row
        for row in facts.database.webhooks
        if row.received_at < facts.cut_off and row.event_id not in facts.excluded.stripe_event_ids
    ]

    def violations() -> Iterator[Violation]:
        for row in stored:
            event = known.get(row.event_id)
            if event is None:
                yield Violation(row.event_id, f"{row.type} is stored; Stripe never sent it")
            elif (event.type, event.object_id) != (row.type, row.object_id):
                yield Violation(
                    row.event_id, f"stored {row.type}, Stripe's is {event.type} {event.object_id}"
                )

    return finding(len(stored), violations())


def one_body_per_key(facts: Facts) -> Finding:
    """I23: a key was never used for two different requests."""
    requests = facts.stripe.requests if facts.stripe else None
    by_key = group((r for r in requests or () if r.key), lambda r: str(r.key))
    return finding(
        len(by_key),
        (
            Violation(key, f"{len({(r.path, r.body_sha256) for r in rows})} different requests")
            for key, rows in by_key.items()
            if len({(r.path, r.body_sha256) for r in rows}) > 1
        ),
    )


def every_key_is_ours(facts: Facts) -> Finding:
    """I24: every executed POST carries a key that follows from a row of ours.

    A request without a key, or with one no row explains, is how a customer gets charged twice:
    the client library invents a new key on every retry.
    """
    owned = _owned_keys(facts)
    requests = facts.stripe.requests if facts.stripe else None
    if requests is None:
        events = facts.stripe.events if facts.stripe else ()
        keys = [
            (e.id, e.idempotency_key) for e in events if e.object_id in facts.our_stripe_objects
        ]
        return finding(
            len(keys), (_unowned(name, key) for name, key in keys if key and key not in owned)
        )
    executed = [
        r
        for r in requests
        if r.executed
        and (r.environment == facts.environment or r.object_id in facts.our_stripe_objects)
    ]
    return finding(
        len(executed),
        (_unowned(r.path, r.key) for r in executed if r.key is None or r.key not in owned),
    )


def _owned_keys(facts: Facts) -> set[str]:
    """Charge, cancel and refund keys that our rows give rise to."""
    keys = {row.idempotency_key for row in facts.database.refunds}
    for row in facts.database.payments:
        keys |= {row.event_id, f"{row.event_id}:cancel"}
    return keys


def _unowned(what: str, key: str | None) -> Violation:
    return Violation(key or "(no key)", f"{what} was executed with a key no row of ours explains")
