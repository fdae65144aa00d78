"""Webhooks, verified by the official library and not by the code that signed them."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import SECRET, Receiver, verified


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_event_of_a_charge_arrives_signed(hooked: TwinProcess, receiver: Receiver) -> None:
    key = new_key()
    made = hooked.charge(key, **{"metadata[event_id]": key}).json

    eventually(lambda: len(receiver.received) >= 3, "three events")

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
    received = eventually(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]

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
    eventually(lambda: len(twin.rows("/deliveries?outcome=no_answer")) >= 3, "failed attempts")

    receiver = Receiver(port=port)
    found = eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "a retry")

    assert verified(found[0]).data.object["id"] == made["id"]
    receiver.close()
    twin.stop()


def test_each_attempt_is_signed_at_its_own_time(hooked: TwinProcess, receiver: Receiver) -> None:
    receiver.status = 500
    made = hooked.charge(new_key()).json

    def attempts() -> list[Any] | None:
        found = receiver.events("payment_intent.succeeded", made["id"])
        return found if len(found) >= 3 else None

    found = eventually(attempts, "three attempts")

    headers = [received.headers["Stripe-Signature"] for received in found]
    stamps = [int(header.split(",")[0].removeprefix("t=")) for header in headers]
    assert len({received.body for received in found}) == 1
    assert len(set(stamps)) == len(stamps)
    assert all(abs(stamp - time.time()) < 300 for stamp in stamps)
    event_id = found[0].event["id"]
    assert hooked.get(f"/v1/events/{event_id}").json["pending_webhooks"] == 1


def test_an_acknowledged_event_is_not_pending(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.charge(new_key())
    found = eventually(lambda: receiver.events("payment_intent.succeeded"), "the event")
    event_id = found[0].event["id"]

    def settled() -> bool:
        return bool(hooked.get(f"/v1/events/{event_id}").json["pending_webhooks"] == 0)

    eventually(settled, "no webhook pending")
    done = hooked.get("/v1/events", delivery_success="true", type="payment_intent.succeeded")
    waiting = hooked.get("/v1/events", delivery_success="false", type="payment_intent.succeeded")
    assert [event["id"] for event in done.json["data"]] == [event_id]
    assert waiting.json["data"] == []


def test_retries_end_with_the_schedule(hooked: TwinProcess, receiver: Receiver) -> None:
    receiver.status = 302
    hooked.ask("PUT", "/schedule", {"seconds": [1000, 2000]})
    made = hooked.charge(new_key()).json
    counts: list[int] = []
    for seconds in (0, 1001, 2001, 100_000):
        hooked.ask("POST", "/clock/advance", {"seconds": seconds})
        expected = min(len(counts) + 1, 3)

        def seen(expected: int = expected) -> bool:
            # On record at the twin, not only here: the retry is planned by then.
            rows = hooked.rows("/deliveries?event_type=payment_intent.succeeded")
            return len(rows) >= expected

        eventually(seen, f"attempt {expected}")
        counts.append(len(receiver.events("payment_intent.succeeded", made["id"])))

    eventually(lambda: hooked.ask("GET", "/status")["webhooks_given_up"] == 3, "given up")
    assert counts == [1, 2, 3, 3]


def test_while_a_secret_rolls_both_sign(hooked: TwinProcess, receiver: Receiver) -> None:
    endpoint_id = hooked.rows("/endpoints")[0]["id"]
    rolled = hooked.ask(
        "POST", f"/endpoints/{endpoint_id}/roll", {"secret": "whsec_new", "keep_old_seconds": 3600}
    )
    made = hooked.charge(new_key()).json
    both = eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the event")

    hooked.ask("POST", "/clock/advance", {"seconds": 3601})
    later = hooked.charge(new_key()).json
    one = eventually(lambda: receiver.events("payment_intent.succeeded", later["id"]), "another")

    assert rolled["secrets"] == ["whsec_new", SECRET]
    assert verified(both[0]).id == verified(both[0], "whsec_new").id
    assert verified(one[0], "whsec_new").type == "payment_intent.succeeded"
    with pytest.raises(stripe.SignatureVerificationError):
        verified(one[0])


def test_secrets_roll_when_their_file_changes(tmp_path: Path, receiver: Receiver) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("whsec_first\n")
    twin = TwinProcess(
        tmp_path / "twin", "--endpoint", receiver.url, "--secret-file", str(secret_file)
    )

    def signing() -> list[str]:
        return list(twin.rows("/endpoints")[0]["secrets"])

    secret_file.write_text("whsec_second\nwhsec_first\n")
    eventually(lambda: signing() == ["whsec_second", "whsec_first"], "both secrets sign")
    secret_file.write_text("\n")
    eventually(lambda: "holds no secret" in twin.log.read_text(), "the empty file is refused")
    twin.charge(new_key())
    found = eventually(lambda: receiver.received, "an event")
    secret_file.write_text("whsec_second\n")
    eventually(lambda: signing() == ["whsec_second"], "the old secret is gone")
    code = twin.stop()

    assert verified(found[0], "whsec_second").id == verified(found[0], "whsec_first").id
    assert code == 0


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
    found = eventually(lambda: receiver.received, "the one event that is wanted")
    eventually(lambda: twin.ask("GET", "/status")["webhooks_owed"] == 0, "nothing else is owed")
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
    eventually(lambda: first.ask("GET", "/status")["webhooks_owed"] == 1, "an event owed")
    first.stop()

    second = TwinProcess(tmp_path / "twin", "--endpoint", receiver.url, *wanted)
    found = eventually(lambda: receiver.events("payment_intent.succeeded", intent), "the event")
    eventually(lambda: second.ask("GET", "/status")["webhooks_owed"] == 0, "nothing else is owed")
    endpoints = second.rows("/endpoints")
    second.stop()

    assert len(found) == 1
    assert [endpoint["url"] for endpoint in endpoints] == [receiver.url]


def test_an_event_can_be_sent_again(hooked: TwinProcess, receiver: Receiver) -> None:
    hooked.charge(new_key())
    first = eventually(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]
    settled = f"/deliveries?event_id={first.event['id']}&outcome=delivered"
    eventually(lambda: hooked.rows(settled), "its delivery on record")

    hooked.ask("POST", "/deliver", {"event": first.event["id"]})

    eventually(lambda: len(receiver.events("payment_intent.succeeded")) == 2, "the same event")
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
    eventually(lambda: receiver.received, "the event")
    deleted = client.v1.webhook_endpoints.delete(made.id)

    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert getattr(listed, "secret", None) is None
    assert [received.event["type"] for received in receiver.received] == [
        "payment_intent.succeeded"
    ]
    assert verified(receiver.received[0], made.secret).type == "payment_intent.succeeded"
    assert deleted.deleted is True


def not_made(twin: TwinProcess) -> set[str]:
    """The events an attempt of which was not made, because the endpoint is disabled."""
    return {row["event_id"] for row in twin.rows("/deliveries?outcome=disabled")}


def test_a_disabled_endpoint_hears_nothing_until_it_is_enabled(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    client = hooked.sdk()
    endpoint_id = hooked.rows("/endpoints")[0]["id"]
    receiver.status = 500
    made = hooked.charge(new_key()).json
    eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "an attempt")

    client.v1.webhook_endpoints.update(endpoint_id, {"disabled": True})
    # All three events have come to an attempt that was not made, so none is under way.
    eventually(lambda: len(not_made(hooked)) == 3, "attempts not made")
    before = len(receiver.received)
    hooked.ask("POST", "/clock/advance", {"seconds": 60})
    eventually(lambda: len(hooked.rows("/deliveries?outcome=disabled")) >= 6, "more of them")
    meanwhile = len(receiver.received)
    receiver.status = 200
    client.v1.webhook_endpoints.update(endpoint_id, {"disabled": False})

    eventually(lambda: len(receiver.received) > before, "a retry after it was enabled")
    assert meanwhile == before


def test_another_accounts_event_names_it_and_goes_nowhere_else(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    connected = "acct_connected"
    theirs = hooked.post(
        "/v1/payment_intents",
        {"amount": 700, "currency": "usd"},
        headers=hooked.connect(connected),
    )
    hooked.charge(new_key())
    eventually(lambda: len(receiver.received) >= 3, "events of the own account")

    events = hooked.get("/v1/events", account=connected).json["data"]
    assert [(e["account"], e["data"]["object"]["id"]) for e in events] == [
        (connected, theirs.json["id"])
    ]
    assert all("account" not in received.event for received in receiver.received)
    assert not receiver.events("payment_intent.created", theirs.json["id"])
