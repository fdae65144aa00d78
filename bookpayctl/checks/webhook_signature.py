"""BP-C004: the receiver refuses what is unsigned, forged or stale - and accepts what is signed.

The control matters as much as the attacks: a receiver that refuses everything would pass three
attacks and lose every payment. Refused bodies must leave no row anywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.clients.database import reading
from bookpayctl.clients.http import HttpAnswer
from bookpayctl.clients.http import ask as ask_http
from bookpayctl.forgery.case import event as harmless_event
from bookpayctl.forgery.forge import signing_secret
from bookpayctl.forgery.signing import stripe_signature
from bookpayctl.judge.rules import PROBE_EVENT_PREFIX
from bookpayctl.load import probe_orders
from bookpayctl.runs.waiting import wait_until

TIMEOUT_SECONDS: Final = 5.0

# Twice the tolerance of 300 s, so that no clock error between us and the receiver explains it.
STALE_SECONDS: Final = 600

UNSIGNED_BODY: Final = (
    b'{"type":"payment_intent.succeeded","id":"evt_fake","data":{"object":{"id":"pi_fake"}}}'
)
FORGED_BODY: Final = b'{"type":"payment_intent.succeeded"}'
FORGED_SIGNATURE: Final = "t=1700000000,v1=deadbeef"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to the receiver and the answer it has to get."""

    name: str
    body: bytes
    signature: str | None
    status: int
    answer: str


def deliveries(*, secret: str, now: int, marker: str) -> list[Delivery]:
    """The chapter's two attacks, a stale one, and the control, which is last."""
    stale = _event(f"evt_bookpaystale_{marker}")
    control = _event(f"{PROBE_EVENT_PREFIX}{marker}")
    return [
        Delivery(
            "missing", UNSIGNED_BODY, None, 400, '{"error":"missing stripe-signature header"}'
        ),
        Delivery("forged", FORGED_BODY, FORGED_SIGNATURE, 400, '{"error":"invalid signature"}'),
        Delivery(
            "stale",
            stale,
            stripe_signature(stale, secret=secret, at=now - STALE_SECONDS),
            400,
            '{"error":"timestamp outside tolerance"}',
        ),
        Delivery(
            "control",
            control,
            stripe_signature(control, secret=secret, at=now),
            200,
            '{"received":true}',
        ),
    ]


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Deliver all four and count what they left behind."""
    environment = inquiry.environment
    marker = uuid4().hex
    sent = deliveries(
        secret=signing_secret(environment),
        now=probe_orders.wall_clock_seconds(),
        marker=marker,
    )
    control_id = f"{PROBE_EVENT_PREFIX}{marker}"
    inquiry.run.probe("stripe_event", control_id)
    before = _rows_left(environment.dsn, sent[:-1])
    answers = [_deliver(environment.webhook_url, delivery) for delivery in sent]
    evidence = [
        f"{delivery.name}: {got.status} {got.text}"
        for delivery, got in zip(sent, answers, strict=True)
    ]
    if all(got.status is None for got in answers):
        return cannot_tell(
            f"the receiver at {environment.webhook_url} does not answer: {answers[0].text}",
            fix="bookpayctl status; bookpayctl logs payments-webhook-receiver",
        )
    problems = [
        f"{delivery.name}: answered {got.status} {got.text}, required {delivery.status}"
        f" {delivery.answer}"
        for delivery, got in zip(sent, answers, strict=True)
        if (got.status, got.text) != (delivery.status, delivery.answer)
    ]
    stored = wait_until(
        lambda: _is_stored(environment.dsn, control_id), bool, deadline_seconds=TIMEOUT_SECONDS
    )
    if not stored.value:
        problems.append("the signed control left no row in stripe_events")
    left = _rows_left(environment.dsn, sent[:-1]) - before
    if left:
        problems.append(f"the refused requests left {left} rows")
    return judged(
        problems,
        "missing, forged and stale refused without a row; the signed control accepted and stored",
        len(sent),
        (*evidence, f"rows left by the refused: {left}; control stored: {stored.value}"),
    )


def _event(event_id: str) -> bytes:
    """A harmless event, shaped as Stripe's, of a type the stack has no use for."""
    return json.dumps(harmless_event(id=event_id), separators=(",", ":")).encode()


def _deliver(url: str, delivery: Delivery) -> HttpAnswer:
    headers = {"Content-Type": "application/json"}
    if delivery.signature is not None:
        headers["Stripe-Signature"] = delivery.signature
    return ask_http(
        "POST", url, content=delivery.body, headers=headers, timeout_seconds=TIMEOUT_SECONDS
    )


def _is_stored(dsn: str, event_id: str) -> bool:
    with reading(dsn) as conn:
        row = conn.execute(
            "SELECT 1 FROM stripe_events WHERE event_id = %s", (event_id,)
        ).fetchone()
    return row is not None


def _rows_left(dsn: str, refused: list[Delivery]) -> int:
    """Rows anywhere that hold a refused body."""
    bodies = [delivery.body for delivery in refused]
    with reading(dsn) as conn:
        row = conn.execute(
            "SELECT (SELECT count(*) FROM stripe_events WHERE body = ANY(%(bodies)s))"
            " + (SELECT count(*) FROM webhook_quarantine WHERE body = ANY(%(bodies)s))",
            {"bodies": bodies},
        ).fetchone()
    return int(row[0]) if row else 0


CHECK: Final = Check(
    id="BP-C004",
    title="unsigned webhooks are refused",
    question="payments-webhook-receiver rejects requests without a valid Stripe-Signature header",
    required="missing, forged, stale: 400 with the exact bodies and no row; signed: 200 and stored",
    why="A receiver that believes an unsigned body lets anybody mark any order paid.",
    fix="bookpayctl logs payments-webhook-receiver; compare the secret with Stripe's endpoint",
    ask=ask,
)
