"""Lists, search, expansion, metadata and the objects around a payment, through the official SDK."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import stripe

from tests.support.twin import TwinProcess, new_key


def test_a_list_shows_what_was_just_made_and_pages_through_it(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    client = twin.sdk()
    made = [twin.charge(new_key()).json["id"] for _ in range(25)]

    newest_first = [p.id for p in client.v1.payment_intents.list({"limit": 7}).auto_paging_iter()]
    middle = client.v1.payment_intents.list({"limit": 5, "starting_after": made[10]})
    before = client.v1.payment_intents.list({"limit": 5, "ending_before": made[10]})
    twin.stop()

    assert newest_first == made[::-1]
    assert [p.id for p in middle.data] == made[9:4:-1]
    assert middle.has_more is True
    assert [p.id for p in before.data] == made[15:10:-1]


def test_a_list_can_be_bounded_by_time(twin: TwinProcess) -> None:
    client = twin.sdk()
    old = twin.charge(new_key()).json
    twin.ask("POST", "/clock/advance", {"seconds": 100})
    new = twin.charge(new_key()).json

    later = client.v1.payment_intents.list({"created": {"gte": new["created"]}, "limit": 100})
    earlier = client.v1.payment_intents.list({"created": {"lt": new["created"]}, "limit": 100})

    assert new["created"] >= old["created"] + 100
    assert [p.id for p in later.data] == [new["id"]]
    assert old["id"] in [p.id for p in earlier.data]
    assert new["id"] not in [p.id for p in earlier.data]


def test_search_lags_and_a_list_does_not(twin: TwinProcess) -> None:
    event_id = new_key()
    made = twin.charge(new_key(), **{"metadata[event_id]": event_id}).json
    query = f"metadata['event_id']:'{event_id}' AND status:'succeeded'"

    listed = twin.get("/v1/payment_intents", limit=1).json["data"]
    too_early = twin.get("/v1/payment_intents/search", query=query).json
    twin.ask("POST", "/clock/advance", {"seconds": 61})
    found = twin.get("/v1/payment_intents/search", query=query).json
    others = twin.get(
        "/v1/payment_intents/search", query=f"metadata['event_id']:'{new_key()}'"
    ).json
    unreadable = twin.get("/v1/payment_intents/search", query="status=='x'")

    assert listed[0]["id"] == made["id"]
    assert too_early["data"] == []
    assert [p["id"] for p in found["data"]] == [made["id"]]
    assert found["object"] == "search_result"
    assert others["data"] == []
    assert unreadable.status == 400


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"limit": "0"}, "parameter_invalid_integer"),
        ({"limit": "101"}, "parameter_invalid_integer"),
        ({"colour": "red"}, "parameter_unknown"),
        ({"starting_after": "pi_nobody"}, "resource_missing"),
        ({"created": "yesterday"}, "parameter_invalid_integer"),
    ],
)
def test_a_bad_list_request_is_refused(
    twin: TwinProcess, fields: dict[str, str], code: str
) -> None:
    assert twin.get("/v1/payment_intents", **fields).error["code"] == code


def test_ids_are_expanded_on_request(twin: TwinProcess) -> None:
    made = twin.charge(new_key()).json
    client = twin.sdk()

    intent = client.v1.payment_intents.retrieve(
        made["id"], {"expand": ["latest_charge.balance_transaction", "payment_method"]}
    )
    page = client.v1.charges.list({"limit": 1, "expand": ["data.payment_intent"]})
    refused = twin.get(f"/v1/payment_intents/{made['id']}?expand[]=colour")

    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.balance_transaction.net == 1912
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    assert isinstance(page.data[0].payment_intent, stripe.PaymentIntent)
    assert refused.status == 400


def test_a_new_object_can_be_expanded_in_the_answer_that_makes_it(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), **{"expand[]": "latest_charge"}).json

    assert made["latest_charge"]["payment_intent"] == made["id"]


def test_another_accounts_objects_are_not_expanded(twin: TwinProcess) -> None:
    theirs = twin.connect("acct_them")
    customer = twin.post("/v1/customers", headers=theirs).json["id"]

    seen = twin.get(f"/v1/customers/{customer}")

    assert seen.status == 404


def test_metadata_is_merged_unset_and_limited(twin: TwinProcess) -> None:
    intent_id = twin.charge(new_key(), **{"metadata[a]": "1", "metadata[b]": "2"}).json["id"]
    path = f"/v1/payment_intents/{intent_id}"

    merged = twin.post(path, {"metadata[b]": "", "metadata[c]": "3"}).json["metadata"]
    cleared = twin.post(path, {"metadata": ""}).json["metadata"]
    long_key = twin.post(path, {f"metadata[{'k' * 41}]": "1"})
    long_value = twin.post(path, {"metadata[k]": "v" * 501})
    too_many = twin.post(path, {f"metadata[k{i}]": "1" for i in range(51)})
    just_enough = twin.post(path, {f"metadata[{i:>040}]": "v" * 500 for i in range(50)})

    assert merged == {"a": "1", "c": "3"}
    assert cleared == {}
    assert (long_key.status, long_value.status, too_many.status) == (400, 400, 400)
    assert len(just_enough.json["metadata"]) == 50


def test_a_paid_intent_keeps_its_amount(twin: TwinProcess) -> None:
    intent_id = twin.charge(new_key()).json["id"]

    refused = twin.post(f"/v1/payment_intents/{intent_id}", {"amount": 1})

    assert refused.error["code"] == "payment_intent_unexpected_state"


def test_customers_and_their_methods(twin: TwinProcess) -> None:
    client = twin.sdk()
    customer = client.v1.customers.create({"email": "ann@example.com", "name": "Ann"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    paid = twin.charge(new_key(), customer=customer.id, payment_method=method.id).json
    methods = client.v1.customers.payment_methods.list(customer.id)
    charges = client.v1.charges.list({"customer": customer.id})
    by_email = client.v1.customers.list({"email": "ann@example.com"})
    detached = client.v1.payment_methods.detach(method.id)
    deleted = client.v1.customers.delete(customer.id)

    assert (paid["customer"], paid["payment_method"]) == (customer.id, method.id)
    assert [m.id for m in methods.data] == [method.id]
    assert [c.id for c in charges.data] == [paid["latest_charge"]]
    assert [c.id for c in by_email.data] == [customer.id]
    assert detached.customer is None
    assert deleted.deleted is True
    assert client.v1.customers.retrieve(customer.id).deleted is True
    assert client.v1.customers.list({"email": "ann@example.com"}).data == []


def test_a_card_that_declines_cannot_be_attached(twin: TwinProcess) -> None:
    customer = twin.post("/v1/customers").json["id"]

    declined = twin.post(
        "/v1/payment_methods/pm_card_visa_chargeDeclined/attach", {"customer": customer}
    )
    attached = twin.post(
        "/v1/payment_methods/pm_card_chargeCustomerFail/attach", {"customer": customer}
    )

    assert declined.status == 402
    assert attached.status == 200


def test_a_card_number_stands_for_its_test_method(twin: TwinProcess) -> None:
    def method(number: str) -> stripe.PaymentMethod:
        return twin.sdk().v1.payment_methods.create(
            {
                "type": "card",
                "card": {"number": number, "exp_month": 8, "exp_year": 2035, "cvc": "123"},
            }
        )

    good = twin.charge(new_key(), payment_method=method("4242424242424242").id)
    bad = twin.charge(new_key(), payment_method=method("4000000000009995").id)

    assert good.json["status"] == "succeeded"
    assert bad.error["decline_code"] == "insufficient_funds"
    with pytest.raises(stripe.CardError, match="test mode"):
        method("4111111111111111")


def test_setup_intents_save_a_method(twin: TwinProcess) -> None:
    client = twin.sdk()
    customer = client.v1.customers.create({})

    setup = client.v1.setup_intents.create(
        {"customer": customer.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    waiting = client.v1.setup_intents.create(
        {"payment_method": "pm_card_authenticationRequired", "confirm": True}
    )

    assert setup.status == "succeeded"
    assert waiting.status == "requires_action"
    assert len(client.v1.customers.payment_methods.list(customer.id).data) == 1
    with pytest.raises(stripe.CardError):
        client.v1.setup_intents.create(
            {"payment_method": "pm_card_chargeDeclined", "confirm": True}
        )


def test_events_are_listed_by_type(twin: TwinProcess) -> None:
    client = twin.sdk()
    made = twin.charge(new_key()).json

    one = client.v1.events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
    two = client.v1.events.list({"types": ["charge.succeeded", "payment_intent.created"]})
    wild = client.v1.events.list({"type": "charge.*"})

    assert one.data.object["id"] == made["id"]
    assert client.v1.events.retrieve(one.id).id == one.id
    assert {event.type for event in two.data} == {"charge.succeeded", "payment_intent.created"}
    assert {event.type.partition(".")[0] for event in wild.data} == {"charge"}


def test_nothing_private_leaves_the_twin(twin: TwinProcess) -> None:
    client = twin.sdk()
    made = twin.charge(new_key()).json
    client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/hook", "enabled_events": ["customer.created"]}
    )

    seen = [
        twin.get(f"/v1/payment_intents/{made['id']}?expand[]=payment_method").body,
        twin.get("/v1/webhook_endpoints").body,
        twin.get("/v1/events", limit=100).body,
        twin.charge(new_key(), payment_method="pm_card_visa_chargeDeclined").body,
    ]

    assert not [body for body in seen if b"twin_" in body]


def test_the_account_is_that_of_the_key(twin: TwinProcess) -> None:
    account = twin.sdk().v1.accounts.retrieve_current()

    assert (account.id, account.charges_enabled) == ("acct_twin", True)


def test_unknown_routes_are_404(twin: TwinProcess) -> None:
    answer = twin.post("/v1/unicorns")

    assert answer.status == 404
    message = answer.error["message"]
    assert message.startswith("Unrecognized request URL (POST: /v1/unicorns). Please see https://")


def test_json_bodies_are_refused(twin: TwinProcess) -> None:
    response = twin.http.request(
        "POST",
        f"{twin.api}/v1/payment_intents",
        body=json.dumps({"amount": 1}).encode(),
        headers={"Authorization": "Bearer sk_test_suite", "Content-Type": "application/json"},
    )

    assert response.status == 400


def test_objects_carry_the_time_of_the_twins_clock(twin: TwinProcess) -> None:
    offset = twin.ask("GET", "/clock")["offset_seconds"]

    made = twin.charge(new_key()).json

    assert abs(made["created"] - (time.time() + offset)) < 300
