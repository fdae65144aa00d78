"""I19, I20, I23, I24: webhooks and idempotency keys, ours against Stripe's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bookpayctl.judge.invariants.facts import Facts, group
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.rows import StripeRequestRow
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


PROBE_EVENT_PREFIX: Final = "evt_bookpayprobe_"
"""Of the signed webhook by which `check` sees that a good one is taken; its type moves nothing."""

PROBE_EVENT_TYPE: Final = "customer.created"

# Events that one of our operations causes, and no later one: a payment that succeeds may have been
# confirmed by the customer, under a key of the browser.
OPERATION_OF_EVENT: Final = {"payment_intent.created": "create", "refund.created": "refund"}


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
    stored = [w for w in facts.database.webhooks if facts.is_due(w.received_at)]
    forgotten = (
        Violation(w.event_id, f"{w.type} was stored and neither applied nor parked")
        for w in stored
        if not w.processed and not w.parked and w.event_id not in facts.excluded.stripe_event_ids
    )
    return finding(examined + len(stored), [*found, *forgotten])


def stored_webhooks_are_stripes(facts: Facts) -> Finding:
    """I20: every webhook we stored exists at Stripe with the same type and object.

    The probe of a `check` that was run from elsewhere is in no run of ours. It cannot be told from
    one that somebody else signed, and moves nothing whoever did: a warning.
    """
    known = {event.id: event for event in (facts.stripe.events if facts.stripe else ())}
    stored = [
        row
        for row in facts.database.webhooks
        if facts.is_due(row.received_at) and row.event_id not in facts.excluded.stripe_event_ids
    ]

    probes = [
        row
        for row in stored
        if row.event_id not in known
        and row.event_id.startswith(PROBE_EVENT_PREFIX)
        and row.type == PROBE_EVENT_TYPE
    ]

    def violations() -> Iterator[Violation]:
        for row in stored:
            event = known.get(row.event_id)
            if row in probes:
                continue
            if event is None:
                yield Violation(row.event_id, f"{row.type} is stored; Stripe never sent it")
            elif (event.type, event.object_id) != (row.type, row.object_id):
                yield Violation(
                    row.event_id, f"stored {row.type}, Stripe's is {event.type} {event.object_id}"
                )

    foreign = (
        Violation(
            row.event_id, "a `check` that no run here knows of sent it, or who has the secret"
        )
        for row in probes
    )
    return finding(len(stored), violations(), explained=foreign)


def one_body_per_key(facts: Facts) -> Finding:
    """I23: a key was never used for two different requests."""
    by_key = group((r for r in facts.requests or () if r.key), lambda r: str(r.key))
    return finding(
        len(by_key),
        (
            Violation(key, f"{len({(r.path, r.body_sha256) for r in rows})} different requests")
            for key, rows in by_key.items()
            if len({(r.path, r.body_sha256) for r in rows}) > 1
        ),
    )


def every_key_is_ours(facts: Facts) -> Finding:
    """I24: every executed POST carries the key that a row of ours gives to that very operation.

    A request without a key, or with one no row explains, is how a customer gets charged twice:
    the client library invents a new key on every retry. A key of another operation excuses
    nothing. What others did to a PaymentIntent of ours under keys of their own is only counted,
    but for a refund: that our tables must know.
    """
    if facts.requests is None:
        return _keys_in_events(facts)
    executed = [r for r in facts.requests if r.executed and _is_about_us(facts, r)]
    keys = _Keys.of(facts)
    found: list[Violation] = []
    explained: list[Violation] = []
    others = 0
    for request in executed:
        operation = _operation_of(request.path)
        if request.key is not None and request.key in keys.of_operation(operation):
            continue
        if _was_sent_by_us(facts, request, keys) or operation == "create":
            found.append(_unowned(request.path, request.key))
        elif operation != "refund":
            others += 1
        elif request.object_id in facts.known_outside_refunds:
            explained.append(_made_outside(facts, request.object_id or ""))
        else:
            found.append(_unowned(request.path, request.key))
    return finding(
        len(executed),
        found,
        explained=explained,
        excused=(f"excused: {others} requests of others about our payments",) if others else (),
    )


def _made_outside(facts: Facts, stripe_refund_id: str) -> Violation:
    """A refund of others that our tables know, under the name of its order."""
    row = facts.known_outside_refunds[stripe_refund_id]
    order_id = facts.order_of_intent.get(row.payment_intent_id or "", stripe_refund_id)
    words = f"refund {stripe_refund_id} was made outside"
    return Violation(order_id, words, row.amount_cents)


def _keys_in_events(facts: Facts) -> Finding:
    """The same where Stripe shows no requests: its events name the key that caused them."""
    keys = _Keys.of(facts)
    examined = 0
    found: list[Violation] = []
    for event in facts.stripe.events if facts.stripe else ():
        operation = OPERATION_OF_EVENT.get(event.type)
        if operation is None or event.object_id not in facts.our_stripe_objects:
            continue
        examined += 1
        known = event.object_id in facts.known_outside_refunds
        if event.idempotency_key not in keys.of_operation(operation) and not known:
            found.append(_unowned(event.id, event.idempotency_key))
    return finding(examined, found)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys that our rows give rise to, each good for one operation."""

    create: frozenset[str]
    cancel: frozenset[str]
    refund: frozenset[str]

    @classmethod
    def of(cls, facts: Facts) -> _Keys:
        roots = frozenset(row.event_id for row in facts.database.payments)
        return cls(
            create=roots,
            cancel=frozenset(f"{root}:cancel" for root in roots),
            refund=frozenset(row.idempotency_key for row in facts.database.refunds),
        )

    def of_operation(self, operation: str) -> frozenset[str]:
        match operation:
            case "create":
                return self.create
            case "cancel":
                return self.cancel
            case "refund":
                return self.refund
            case _:
                return frozenset()

    def __contains__(self, key: str | None) -> bool:
        return any(key in keys for keys in (self.create, self.cancel, self.refund))


def _operation_of(path: str) -> str:
    """What a POST to a path does, of the three that we send; else the last part of the path."""
    if path == "/v1/payment_intents":
        return "create"
    if path == "/v1/refunds":
        return "refund"
    return path.rpartition("/")[2]


def _is_about_us(facts: Facts, request: StripeRequestRow) -> bool:
    if facts.stripe is None:
        # Only the recording tap is left then, and nobody but our gateway speaks through it.
        return True
    return (
        request.environment == facts.environment
        or request.object_id in facts.our_stripe_objects
        or request.request_id in facts.our_request_ids
    )


def _was_sent_by_us(facts: Facts, request: StripeRequestRow, keys: _Keys) -> bool:
    return (
        facts.stripe is None
        or request.environment == facts.environment
        or request.key in keys
        or request.request_id in facts.our_request_ids
    )


def _unowned(what: str, key: str | None) -> Violation:
    return Violation(key or "(no key)", f"{what} was executed with a key no row of ours explains")
