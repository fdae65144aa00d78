"""Cases about money: W40 to W43. Signed, well-formed, and not true."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import uuid4

from bookpayctl.forgery.case import (
    PARKED,
    RECEIVED,
    STORED,
    STORED_AND_QUARANTINED,
    UNAVAILABLE,
    Case,
    ForgedPayment,
    ForgeryInput,
    Variant,
    encoded,
    event,
    honest,
)


def intent_event(payment: ForgedPayment, event_type: str, **changes: Any) -> dict[str, Any]:
    """What Stripe would tell of this payment; `changes` replace fields of the PaymentIntent."""
    has_succeeded = changes.get("status", "succeeded") == "succeeded"
    thing = {
        "id": payment.payment_intent_id,
        "object": "payment_intent",
        "status": "succeeded",
        "amount": payment.amount_cents,
        "amount_received": payment.amount_cents if has_succeeded else 0,
        "currency": payment.currency,
        "livemode": False,
        "metadata": {"event_id": payment.event_id, "env": payment.environment},
        **changes,
    }
    return event(
        type=event_type,
        request={"id": None, "idempotency_key": payment.event_id},
        data={"object": thing},
    )


def _told(
    payment: ForgedPayment, event_type: str = "payment_intent.succeeded", **changes: Any
) -> bytes:
    return json.dumps(intent_event(payment, event_type, **changes)).encode()


def _known(m: ForgeryInput) -> ForgedPayment:
    if m.payment is None:
        raise ValueError("this case lies about a payment and was given none")
    return m.payment


def _wrong_sums(m: ForgeryInput) -> list[Variant]:
    payment = _known(m)
    lies: dict[str, dict[str, Any]] = {
        "a cent less": {"amount": payment.amount_cents - 1},
        "nothing": {"amount": 0},
        "the amount as text": {"amount": str(payment.amount_cents)},
        "a part received": {"amount_received": payment.amount_cents - 1},
        "nothing received": {"amount_received": 0},
        "no word on what was received": {"amount_received": None},
        "a status that is none": {"status": "processing"},
        "live money inside": {"livemode": True},
        "another currency": {"currency": "eur" if payment.currency != "eur" else "usd"},
        "the currency in capitals": {"currency": payment.currency.upper()},
        "another PaymentIntent": {"id": f"pi_bookpayforge{uuid4().hex}"},
        "another environment": {"metadata": {"event_id": payment.event_id, "env": "elsewhere"}},
    }
    return [
        Variant(name, f"a success with {name}", honest(m, _told(payment, **changes)),
                (RECEIVED,), STORED_AND_QUARANTINED)
        for name, changes in lies.items()
    ]  # fmt: skip


def _not_ours(m: ForgeryInput) -> list[Variant]:
    stranger = ForgedPayment(str(uuid4()), f"pi_bookpayforge{uuid4().hex}", 100, "usd", "")
    unknown = _told(stranger, metadata={"event_id": stranger.event_id})
    foreign = _told(stranger, metadata={})
    misnamed = _told(stranger, metadata={"event_id": "order-1"})
    return [
        Variant("a payment not here yet", "a success of a payment nobody has written yet",
                honest(m, unknown), (RECEIVED,), PARKED),
        Variant("no metadata of ours", "a success without our metadata",
                honest(m, foreign), (RECEIVED,), STORED_AND_QUARANTINED),
        Variant("an event_id that is none", "a success whose metadata.event_id is no id",
                honest(m, misnamed), (RECEIVED,), STORED_AND_QUARANTINED),
    ]  # fmt: skip


def _after_the_end(m: ForgeryInput) -> list[Variant]:
    payment = _known(m)
    kinds = {
        "a success after the end": ("payment_intent.succeeded", {}),
        "a failure after the success": (
            "payment_intent.payment_failed",
            {"status": "requires_payment_method"},
        ),
        "a cancellation after the success": ("payment_intent.canceled", {"status": "canceled"}),
        "a processing after the success": ("payment_intent.processing", {"status": "processing"}),
    }
    return [
        Variant(name, name, honest(m, _told(payment, kind, **changes)), (RECEIVED,), STORED)
        for name, (kind, changes) in kinds.items()
    ]


def _outage(m: ForgeryInput) -> list[Variant]:
    return [
        Variant("while the database is away", "an honest event", honest(m, encoded()),
                (UNAVAILABLE,))
    ]  # fmt: skip


CASES: Final = (
    Case("W40", "a known payment, a wrong sum", _wrong_sums, needs="payment"),
    Case("W41", "a payment that is not ours, or not yet", _not_ours),
    Case("W42", "news after the end", _after_the_end, needs="payment"),
    Case("W43", "the database is away", _outage, needs="outage"),
)
