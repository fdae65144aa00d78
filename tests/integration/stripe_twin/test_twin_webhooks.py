"""Webhooks, verified by the official library and not by the code that signed them."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe_twin_harness import Receiver, TwinProcess, new_key, wait_for

SECRET = "whsec_suite"


def verified(received: Any, secret: str = SECRET) -> stripe.Event:
    return stripe.Webhook.construct_event(
        received.body, received.headers["Stripe-Signature"], secret
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_event_of_a_charge_arrives_signed(hooked: TwinProcess, receiver: Receiver) -> None:
    key = new_key()
    made = hooked.charge(key, **{"metadata[event_id]": key}).json

    wait_for(lambda: len(receiver.received) >= 3, "three events")

    events = {event.type: event for event in map(verified, receiver.received)}
    paid = events["payment_intent.succeeded"]
    assert set(events) == {
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    }
    assert paid.data.object["id"] == made["id"]
    assert paid.data.object["metadata"]["event_id"] == key
    assert paid.request is not None
    assert paid.request.idempotency_key == key
    assert (paid.livemode, paid.pending_webhooks) == (False, 1)
    header = receiver.received[0].headers["Stripe-Signature"]
    assert [part.split("=")[0] for part in header.split(",")] == ["t", "v1", "v0"]


def test_the_body_on_the_wire_is_not_compact_json(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.charge(new_key())
    received = wait_for(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]

    compact = json.dumps(received.event, separators=(",", ":")).encode()

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(compact, received.headers["Stripe-Signature"], SECRET)


def test_a_receiver_that_was_down_gets_its_events_soon(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    twin = TwinProcess(
        tmp_path / "twin",
        *("--endpoint", f"http://127.0.0.1:{port}/hook"),
        *("--secret-file", str(tmp_path / "secret")),
    )
    made = twin.charge(new_key()).json
    wait_for(lambda: len(twin.rows("/deliveries?outcome=no_answer")) >= 3, "failed attempts")

    receiver = Receiver(port=port)
    found = wait_for(lambda: receiver.events("payment_intent.succeeded", made["id"]), "a retry")

    assert verified(found[0]).data.object["id"] == made["id"]
    receiver.close()
    twin.stop()


def test_each_attempt_is_signed_at_its_own_time(hooked: TwinProcess, receiver: Receiver) -> None:
    receiver.status = 500
    made = hooked.charge(new_key()).json

    def attempts() -> list[Any] | None:
        found = receiver.events("payment_intent.succeeded", made["id"])
        return found if len(found) >= 3 else None

    found = wait_for(attempts, "three attempts")

    headers = [received.headers["Stripe-Signature"] for received in found]
    stamps = [int(header.split(",")[0].removeprefix("t=")) for header in headers]
    assert len({received.body for received in found}) == 1
    assert len(set(stamps)) == len(stamps)
    assert all(abs(stamp - time.time()) < 60 for stamp in stamps)
    event_id = found[0].event["id"]
    assert hooked.get(f"/v1/events/{event_id}").json["pending_webhooks"] == 1


def test_an_acknowledged_event_is_not_pending(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.charge(new_key())
    found = wait_for(lambda: receiver.events("payment_intent.succeeded"), "the event")
    event_id = found[0].event["id"]

    def settled() -> bool:
        return bool(hooked.get(f"/v1/events/{event_id}").json["pending_webhooks"] == 0)

    wait_for(settled, "no webhook pending")
    done = hooked.get("/v1/events", delivery_success="true", type="payment_intent.succeeded")
    waiting = hooked.get("/v1/events", delivery_success="false", type="payment_intent.succeeded")
    assert [event["id"] for event in done.json["data"]] == [event_id]
    assert waiting.json["data"] == []


def test_retries_end_with_the_schedule(hooked: TwinProcess, receiver: Receiver) -> None:
    receiver.status = 302
    hooked.ask("PUT", "/schedule", {"seconds": [1000, 2000]})
    made = hooked.charge(new_key()).json
    counts = []
    for seconds in (0, 1001, 2001, 100_000):
        hooked.ask("POST", "/clock/advance", {"seconds": seconds})
        expected = min(len(counts) + 1, 3)

        def seen(expected: int = expected) -> bool:
            # On record at the twin, not only here: the retry is planned by then.
            rows = hooked.rows("/deliveries?event_type=payment_intent.succeeded")
            return len(rows) >= expected

        wait_for(seen, f"attempt {expected}")
        counts.append(len(receiver.events("payment_intent.succeeded", made["id"])))

    wait_for(lambda: hooked.ask("GET", "/status")["webhooks_given_up"] == 3, "given up")
    assert counts == [1, 2, 3, 3]


def test_while_a_secret_rolls_both_sign(hooked: TwinProcess, receiver: Receiver) -> None:
    endpoint_id = hooked.rows("/endpoints")[0]["id"]
    rolled = hooked.ask(
        "POST", f"/endpoints/{endpoint_id}/roll", {"secret": "whsec_new", "keep_old_seconds": 3600}
    )
    made = hooked.charge(new_key()).json
    both = wait_for(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the event")

    hooked.ask("POST", "/clock/advance", {"seconds": 3601})
    later = hooked.charge(new_key()).json
    one = wait_for(lambda: receiver.events("payment_intent.succeeded", later["id"]), "another")

    assert rolled["secrets"] == ["whsec_new", SECRET]
    assert verified(both[0]).id == verified(both[0], "whsec_new").id
    assert verified(one[0], "whsec_new").type == "payment_intent.succeeded"
    with pytest.raises(stripe.SignatureVerificationError):
        verified(one[0])


def test_a_restart_takes_the_events_and_secrets_it_is_given(
    tmp_path: Path, receiver: Receiver
) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("whsec_first\n")
    arguments = ("--endpoint", receiver.url, "--secret-file", str(secret_file))
    TwinProcess(tmp_path / "twin", *arguments).stop()
    secret_file.write_text("whsec_second\nwhsec_first\n")

    twin = TwinProcess(tmp_path / "twin", *arguments, "--event", "payment_intent.succeeded")
    twin.charge(new_key())
    found = wait_for(lambda: receiver.received, "the one event that is wanted")
    wait_for(lambda: twin.ask("GET", "/status")["webhooks_owed"] == 0, "nothing else is owed")
    endpoints = twin.rows("/endpoints")
    twin.stop()

    assert len(endpoints) == 1
    assert [verified(r, "whsec_second").type for r in found] == ["payment_intent.succeeded"]
    assert verified(found[0], "whsec_first").type == "payment_intent.succeeded"


def test_an_endpoint_that_moved_gets_what_was_owed_to_its_old_address(
    tmp_path: Path, receiver: Receiver
) -> None:
    wanted = ("--event", "payment_intent.succeeded")
    nowhere = f"http://127.0.0.1:{free_port()}/stripe/webhook"
    first = TwinProcess(tmp_path / "twin", "--endpoint", nowhere, *wanted)
    intent = first.charge(new_key()).json["id"]
    wait_for(lambda: first.ask("GET", "/status")["webhooks_owed"] == 1, "an event owed")
    first.stop()

    second = TwinProcess(tmp_path / "twin", "--endpoint", receiver.url, *wanted)
    found = wait_for(lambda: receiver.events("payment_intent.succeeded", intent), "the event")
    wait_for(lambda: second.ask("GET", "/status")["webhooks_owed"] == 0, "nothing else is owed")
    endpoints = second.rows("/endpoints")
    second.stop()

    assert len(found) == 1
    assert [endpoint["url"] for endpoint in endpoints] == [receiver.url]


def test_an_event_can_be_sent_again(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.charge(new_key())
    first = wait_for(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]
    settled = f"/deliveries?event_id={first.event['id']}&outcome=delivered"
    wait_for(lambda: hooked.rows(settled), "its delivery on record")

    hooked.ask("POST", "/deliver", {"event": first.event["id"]})

    wait_for(lambda: len(receiver.events("payment_intent.succeeded")) == 2, "the same event")
    again = receiver.events("payment_intent.succeeded")[1]
    assert verified(again).id == first.event["id"]
    assert again.body == first.body


def test_an_endpoint_gets_only_what_it_asked_for(twin: TwinProcess, receiver: Receiver) -> None:
    client = twin.sdk()
    made = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["payment_intent.succeeded"]}
    )
    listed = client.v1.webhook_endpoints.retrieve(made.id)

    twin.charge(new_key())
    wait_for(lambda: receiver.received, "the event")
    deleted = client.v1.webhook_endpoints.delete(made.id)

    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert getattr(listed, "secret", None) is None
    assert [received.event["type"] for received in receiver.received] == [
        "payment_intent.succeeded"
    ]
    assert verified(receiver.received[0], made.secret).type == "payment_intent.succeeded"
    assert deleted.deleted is True


def test_a_disabled_endpoint_hears_nothing_until_it_is_enabled(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    client = hooked.sdk()
    endpoint_id = hooked.rows("/endpoints")[0]["id"]
    receiver.status = 500
    made = hooked.charge(new_key()).json
    wait_for(lambda: receiver.events("payment_intent.succeeded", made["id"]), "an attempt")

    client.v1.webhook_endpoints.update(endpoint_id, {"disabled": True})
    wait_for(lambda: hooked.rows("/deliveries?outcome=disabled"), "an attempt not made")
    before = len(receiver.received)
    receiver.status = 200
    client.v1.webhook_endpoints.update(endpoint_id, {"disabled": False})

    wait_for(lambda: len(receiver.received) > before, "a retry after it was enabled")


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
    wait_for(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the spoiled one")
    receiver.status = 200

    wait_for(lambda: len(receiver.events("payment_intent.succeeded", made["id"])) == 2, "the retry")

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
    received = wait_for(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]

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
    wait_for(lambda: len(receiver.received) >= 4, "three events and a foreign one")

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


def test_duplicates_carry_one_event(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault(
        "webhook_duplicate",
        count=1,
        match={"event_type": "payment_intent.succeeded"},
        numbers={"copies": 5},
    )
    hooked.charge(new_key())

    wait_for(lambda: len(receiver.events("payment_intent.succeeded")) == 5, "five copies")

    assert len({r.event["id"] for r in receiver.events("payment_intent.succeeded")}) == 1


def test_a_dropped_webhook_never_comes_but_the_event_exists(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    hooked.fault("webhook_drop", count=1, match={"event_type": "payment_intent.succeeded"})
    made = hooked.charge(new_key()).json
    dropped = wait_for(lambda: hooked.rows("/deliveries?outcome=dropped"), "the drop")
    hooked.ask("POST", "/clock/advance", {"seconds": 100_000})
    other = hooked.charge(new_key()).json
    wait_for(lambda: receiver.events("payment_intent.succeeded", other["id"]), "another event")

    assert receiver.events("payment_intent.succeeded", made["id"]) == []
    assert hooked.get(f"/v1/events/{dropped[0]['event_id']}").status == 200


def test_a_delayed_webhook_comes_when_it_is_due(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault(
        "webhook_delay",
        match={"event_type": "payment_intent.*"},
        numbers={"seconds": 3600},
    )
    made = hooked.charge(new_key()).json
    wait_for(lambda: receiver.events("charge.succeeded"), "what is not delayed")
    early = receiver.events("payment_intent.succeeded", made["id"])

    hooked.ask("POST", "/clock/advance", {"seconds": 3601})

    wait_for(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the late event")
    assert early == []


def test_reordered_webhooks_arrive_last_one_first(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.fault("webhook_reorder", count=3, numbers={"window": 3})
    hooked.charge(new_key())
    wait_for(lambda: len(receiver.received) == 3, "three events")

    order = [received.event["type"] for received in receiver.received]

    assert order == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]


def test_another_accounts_event_names_it(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.post(
        "/v1/payment_intents",
        {"amount": 700, "currency": "usd"},
        **{"Stripe-Account": "acct_connected"},
    )
    hooked.charge(new_key())
    wait_for(lambda: len(receiver.received) >= 3, "events of the own account")

    assert all("account" not in received.event for received in receiver.received)
