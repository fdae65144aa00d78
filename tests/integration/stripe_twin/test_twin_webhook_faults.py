"""Every webhook fault as a receiver meets it, judged by the official library where it can judge."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest
import stripe

from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import Receiver, verified


@pytest.mark.parametrize(
    "action",
    [
        "webhook_wrong_secret",
        "webhook_unsigned",
        "webhook_v0_only",
        "webhook_stale",
    ],
)
def test_a_spoiled_attempt_is_refused_and_the_retry_is_sound(
    hooked: TwinProcess, receiver: Receiver, action: str
) -> None:
    receiver.status = 400
    fault = hooked.fault(action, count=1, match={"event_type": "payment_intent.succeeded"})
    made = hooked.charge(new_key()).json
    eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the spoiled one")
    receiver.status = 200

    eventually(
        lambda: len(receiver.events("payment_intent.succeeded", made["id"])) == 2, "the retry"
    )

    spoiled, sound = receiver.events("payment_intent.succeeded", made["id"])
    with pytest.raises((stripe.SignatureVerificationError, KeyError)):
        verified(spoiled)
    assert verified(sound).data.object["id"] == made["id"]
    assert [hit["action"] for hit in hooked.rows(f"/fault-hits?fault_id={fault}")] == [action]


def test_a_future_timestamp_is_accepted_by_the_library(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    """The library has no upper bound, which is why a receiver of ours needs its own."""
    hooked.fault("webhook_future", count=1, match={"event_type": "payment_intent.succeeded"})
    hooked.charge(new_key())
    received = eventually(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]

    stamp = int(received.headers["Stripe-Signature"].split(",")[0].removeprefix("t="))

    assert stamp > time.time() + 500
    assert verified(received).type == "payment_intent.succeeded"


@pytest.mark.parametrize(
    ("action", "seen"),
    [
        ("webhook_other_account", b'"account": "acct_somebody_else"'),
        ("webhook_livemode", b'"livemode": true'),
        ("webhook_thin", b'"object": "v2.core.event"'),
        ("webhook_not_utf8", b"\xff\xfe"),
        ("webhook_huge", b"x" * 1_000_000),
    ],
)
def test_a_foreign_event_comes_beside_the_real_one(
    hooked: TwinProcess, receiver: Receiver, action: str, seen: bytes
) -> None:
    hooked.fault(action, count=1, match={"event_type": "payment_intent.succeeded"})
    made = hooked.charge(new_key()).json
    eventually(lambda: len(receiver.received) >= 4, "three events and a foreign one")

    foreign = [received for received in receiver.received if seen in received.body]
    real = [
        received
        for received in receiver.events("payment_intent.succeeded", made["id"])
        if received not in foreign
    ]

    assert len(foreign) == 1
    assert len(real) == 1
    event_id = real[0].event["id"].encode()
    assert event_id not in foreign[0].body


def test_a_thin_event_names_its_object_and_time(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault("webhook_thin", count=1, match={"event_type": "payment_intent.succeeded"})
    made = hooked.charge(new_key()).json

    def thin() -> list[dict[str, Any]]:
        events = [received.event for received in list(receiver.received)]
        return [event for event in events if event["object"] == "v2.core.event"]

    found = eventually(thin, "the thin event")[0]

    assert found["type"] == "v1.payment_intent.succeeded"
    assert found["related_object"] == {
        "id": made["id"],
        "type": "payment_intent",
        "url": f"/v1/payment_intents/{made['id']}",
    }
    created = datetime.fromisoformat(found["created"])
    assert abs(created.timestamp() - made["created"]) < 60
    assert "data" not in found


def test_a_failed_attempt_is_made_again_and_the_first_never_arrived(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    hooked.fault("webhook_fail", count=1, match={"event_type": "payment_intent.succeeded"})
    made = hooked.charge(new_key()).json

    def attempts() -> list[dict[str, Any]] | None:
        rows = hooked.rows("/deliveries?event_type=payment_intent.succeeded")
        return rows if len(rows) == 2 else None

    # The twin notes an attempt when it is over, which is after the receiver has it.
    rows = eventually(attempts, "the retry is on record")

    assert [(row["outcome"], row["fault"]) for row in rows] == [
        ("not_sent", "webhook_fail"),
        ("delivered", None),
    ]
    assert len(receiver.events("payment_intent.succeeded", made["id"])) == 1


def test_duplicates_carry_one_event(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault(
        "webhook_duplicate",
        count=1,
        match={"event_type": "payment_intent.succeeded"},
        numbers={"copies": 5},
    )
    hooked.charge(new_key())

    eventually(lambda: len(receiver.events("payment_intent.succeeded")) == 5, "five copies")

    assert len({r.event["id"] for r in receiver.events("payment_intent.succeeded")}) == 1


def test_a_dropped_webhook_never_comes_but_the_event_exists(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    hooked.fault("webhook_drop", count=1, match={"event_type": "payment_intent.succeeded"})
    made = hooked.charge(new_key()).json
    dropped = eventually(lambda: hooked.rows("/deliveries?outcome=dropped"), "the drop")
    hooked.ask("POST", "/clock/advance", {"seconds": 100_000})
    other = hooked.charge(new_key()).json
    eventually(lambda: receiver.events("payment_intent.succeeded", other["id"]), "another event")

    assert receiver.events("payment_intent.succeeded", made["id"]) == []
    assert hooked.get(f"/v1/events/{dropped[0]['event_id']}").status == 200


def test_a_delayed_webhook_comes_when_it_is_due(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault(
        "webhook_delay",
        match={"event_type": "payment_intent.*"},
        numbers={"seconds": 3600},
    )
    made = hooked.charge(new_key()).json
    eventually(lambda: receiver.events("charge.succeeded"), "what is not delayed")
    early = receiver.events("payment_intent.succeeded", made["id"])

    hooked.ask("POST", "/clock/advance", {"seconds": 3601})

    eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the late event")
    assert early == []


def test_reordered_webhooks_arrive_last_one_first(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault("webhook_reorder", count=3, numbers={"window": 3})
    hooked.charge(new_key())
    eventually(lambda: len(receiver.received) == 3, "three events")

    order = [received.event["type"] for received in receiver.received]

    assert order == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
