"""What the model repeats of the runtime's shells says what they say.

The decisions themselves are the runtime's own; these lines stand between them and SQL, and cannot
be imported without a database driver.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from bookpayctl.simulation import settings
from bookpayctl.simulation.decisions import RIGHT
from bookpayctl.simulation.roles import reconciler
from bookpayctl.simulation.steps.webhooks import disagreement
from bookpayctl.simulation.store import PaymentRow
from bookpayctl.simulation.stripe.objects import Intent
from bookpayctl.simulation.world import World
from runtime.adapters.gateway_client import FoundIntent
from runtime.adapters.store import missed, payments
from runtime.domain.money import Money
from runtime.domain.names import EventId, OrderId, PaymentIntentId, PaymentState, TenantId
from runtime.domain.payment_events import Payment
from runtime.domain.stripe_event import Kind
from runtime.services.payments_reconciler import charges, tools
from runtime.steps import webhook

ROOT = "11111111-2222-3333-4444-555555555555"
PRICE = Money(1009, "usd")
OTHER = Money(2018, "usd")


def of_the_model(payment: Payment) -> PaymentRow:
    return PaymentRow(ROOT, "ord_1", PRICE, None, payment, 0.0, 0.0, 0.0)


def of_the_runtime(payment: Payment) -> payments.PaymentRow:
    return payments.PaymentRow(
        event_id=EventId(UUID(ROOT)),
        order_id=OrderId("ord_1"),
        tenant_id=TenantId("acme-books"),
        money=PRICE,
        payment_method=None,
        payment=payment,
        started_attempts=0,
        lease_token=None,
        key_age_seconds=None,
        attempt_age_seconds=None,
        age_seconds=0.0,
        read_at=datetime(2026, 1, 1, tzinfo=UTC),
        quiet_seconds=0.0,
    )


@pytest.mark.parametrize("known", [None, "pi_1", "pi_2"])
@pytest.mark.parametrize("key", [None, ROOT, f"{ROOT}:cancel", "a-browser's"])
@pytest.mark.parametrize("money", [PRICE, OTHER])
@pytest.mark.parametrize(
    ("status", "event_type", "kind"),
    [
        ("succeeded", "payment_intent.succeeded", Kind.SUCCEEDED),
        ("processing", "payment_intent.succeeded", Kind.SUCCEEDED),
        ("canceled", "payment_intent.canceled", Kind.FAILED),
        ("requires_action", "payment_intent.requires_action", Kind.OPEN),
    ],
)
def test_both_believe_the_same_webhooks(
    known: str | None, key: str | None, money: Money, status: str, event_type: str, kind: Kind
) -> None:
    metadata = {"event_id": ROOT, "order_id": "ord_1", "env": "simulated"}
    intent = Intent("pi_1", status, money, metadata, 0.0, key)
    event = intent.event("evt_1", event_type, kind, 0.0)
    named = PaymentIntentId(known) if known else None
    payment = Payment(PaymentState.CHARGING, payment_intent_id=named)

    assert disagreement(of_the_model(payment), event) == webhook.disagreement(
        of_the_runtime(payment), event
    )


@pytest.mark.parametrize(
    ("first", "last", "created"),
    [(None, None, 0.0), (5.0, 5.0, 4.0), (5.0, 90.0, 4.0), (90.0, 5.0, 95.0), (1.0, 1.0, -9000.0)],
)
def test_both_look_for_a_charge_in_the_same_window(
    first: float | None, last: float | None, created: float
) -> None:
    world = World(0, RIGHT)
    world.kernel.now = now = 100.0
    model = replace(
        of_the_model(Payment(PaymentState.UNKNOWN)),
        created_at=created,
        first_attempted_at=first,
        last_attempted_at=last,
    )
    real = replace(
        of_the_runtime(Payment(PaymentState.UNKNOWN)),
        key_age_seconds=None if first is None else now - first,
        attempt_age_seconds=None if last is None else now - last,
        age_seconds=now - created,
    )

    since, until = reconciler.window(world, model)

    lease = settings.LEASE_SECONDS
    assert {"created_gte": since, "created_lte": until} == charges.creation_window(real, now, lease)


@pytest.mark.parametrize("code", [None, "card_declined"])
@pytest.mark.parametrize(
    "status", ["succeeded", "canceled", "requires_payment_method", "processing"]
)
def test_both_read_the_same_news_from_what_stripe_holds(status: str, code: str | None) -> None:
    metadata = {"event_id": ROOT, "order_id": "ord_1", "env": "simulated"}
    model = Intent("pi_1", status, PRICE, metadata, 0.0, None, code)
    real = FoundIntent(
        payment_intent_id=PaymentIntentId("pi_1"),
        status=status,
        code=code,
        money=PRICE,
        received_cents=model.received,
    )

    assert reconciler.news(model) == charges.to_event(real, PRICE)


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("age", [0.0, 30.0, 500.0, 90_000.0])
def test_both_wait_equally_long_between_two_looks(age: float, unknown: bool) -> None:
    assert reconciler.look_again_seconds(age, unknown=unknown) == tools.look_again_seconds(
        age, unknown=unknown
    )


def test_both_publish_an_event_again_equally_often() -> None:
    assert settings.REPUBLISHED_MAX == missed.REPUBLISHED_MAX
