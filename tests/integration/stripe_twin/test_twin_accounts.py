"""Keys have accounts: what one made, another does not see, hear of, pay for or run into."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.support.http_client import Answer
from tests.support.twin import CARD, TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import Receiver

OURS = "sk_test_suite"
THEIRS = "sk_test_elsewhere"


def as_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def get_as(twin: TwinProcess, key: str, path: str, **more: str) -> Answer:
    return twin.http.request("GET", twin.api + path, headers={**as_key(key), **more})


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[TwinProcess]:
    """A twin that nobody has called yet."""
    process = TwinProcess(tmp_path / "twin")
    yield process
    assert process.stop() == 0, process.log.read_text()


def test_a_key_sees_nothing_of_what_another_key_made(alone: TwinProcess) -> None:
    paid = alone.charge(new_key()).json
    alone.refund(paid["id"])
    customer = alone.post("/v1/customers", {"email": "ann@example.com"}).json
    refund = alone.get("/v1/refunds").json["data"][0]
    event = alone.get("/v1/events").json["data"][0]
    named = {
        "payment_intent": ("payment_intents", paid["id"]),
        "charge": ("charges", paid["latest_charge"]),
        "refund": ("refunds", refund["id"]),
        "customer": ("customers", customer["id"]),
        "event": ("events", event["id"]),
    }

    for kind, (collection, object_id) in named.items():
        seen = get_as(alone, OURS, f"/v1/{collection}/{object_id}")
        hidden = get_as(alone, THEIRS, f"/v1/{collection}/{object_id}")

        assert seen.status == 200
        assert (hidden.status, hidden.error["code"]) == (404, "resource_missing")
        assert hidden.error["message"] == f"No such {kind}: '{object_id}'"
        assert get_as(alone, THEIRS, f"/v1/{collection}").json["data"] == []
    balance = get_as(alone, THEIRS, "/v1/balance").json
    assert [part["amount"] for part in balance["available"] + balance["pending"]] == [0, 0]


def test_a_key_cannot_touch_or_name_what_another_key_made(alone: TwinProcess) -> None:
    held = alone.charge(new_key(), capture_method="manual").json["id"]
    paid = alone.charge(new_key()).json["id"]
    customer = alone.post("/v1/customers").json["id"]
    them = as_key(THEIRS)

    refused = [
        alone.post(f"/v1/payment_intents/{held}/capture", {}, new_key(), headers=them),
        alone.post(f"/v1/payment_intents/{held}/cancel", {}, new_key(), headers=them),
        alone.post(f"/v1/payment_intents/{held}", {"description": "mine"}, headers=them),
        alone.post("/v1/refunds", {"payment_intent": paid}, new_key(), headers=them),
        alone.post("/v1/payment_intents", {**CARD, "customer": customer}, headers=them),
    ]

    assert {(answer.status, answer.error["code"]) for answer in refused} == {
        (404, "resource_missing")
    }
    assert alone.payment_intent(held)["status"] == "requires_capture"


def test_two_keys_may_use_one_idempotency_key(alone: TwinProcess) -> None:
    key = new_key()

    first = alone.charge(key)
    second = alone.post("/v1/payment_intents", CARD, key, headers=as_key(THEIRS))
    again = alone.charge(key)

    assert (first.status, second.status) == (200, 200)
    assert first.json["id"] != second.json["id"]
    assert again.body == first.body
    accounts = {row["account"] for row in alone.rows("/requests", key=key)}
    assert len(accounts) == 2
    assert "acct_twin" in accounts


def test_a_search_finds_only_the_accounts_own(alone: TwinProcess) -> None:
    for key in (OURS, THEIRS):
        alone.post("/v1/payment_intents", {**CARD, "metadata[shop]": "one"}, headers=as_key(key))
    alone.ask("POST", "/clock/advance", {"seconds": 120})

    found = [
        get_as(alone, key, "/v1/payment_intents/search?query=metadata['shop']:'one'").json["data"]
        for key in (OURS, THEIRS)
    ]

    assert [len(data) for data in found] == [1, 1]
    assert found[0][0]["id"] != found[1][0]["id"]


def test_keys_that_name_one_account_share_it_and_outlive_a_restart(tmp_path: Path) -> None:
    first = TwinProcess(tmp_path / "twin")
    first.charge(new_key())
    made = first.post("/v1/customers", headers=as_key("sk_test_shop_one")).json["id"]
    shown = get_as(first, "rk_test_shop_two", f"/v1/customers/{made}")
    assert first.stop() == 0

    second = TwinProcess(tmp_path / "twin")
    again = get_as(second, "sk_test_shop_three", f"/v1/customers/{made}")
    hidden = get_as(second, OURS, f"/v1/customers/{made}")
    own = get_as(second, OURS, "/v1/account").json["id"]
    account = get_as(second, "sk_test_shop_three", "/v1/account").json["id"]
    assert second.stop() == 0

    assert (shown.status, again.status, hidden.status) == (200, 200, 404)
    assert (own, account) == ("acct_twin", "acct_shop")


def test_an_accounts_id_does_not_tell_its_key(alone: TwinProcess) -> None:
    alone.charge(new_key())
    account = get_as(alone, "sk_test_s3cr3ts3cr3ts3cr3t", "/v1/account").json["id"]

    assert "s3cr3t" not in account
    assert b"s3cr3t" not in (alone.data / "ledger.sqlite3").read_bytes()
    assert "s3cr3t" not in alone.log.read_text()


def test_a_key_file_says_whose_the_twin_is_whoever_comes_first(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sk_test_mine\n")
    twin = TwinProcess(tmp_path / "twin", "--key-file", str(keys))

    stranger = get_as(twin, THEIRS, "/v1/account").json["id"]
    owner = get_as(twin, "sk_test_mine", "/v1/account").json["id"]
    keys.write_text("sk_test_rolled\nsk_test_mine\n")
    rolled = get_as(twin, "sk_test_rolled", "/v1/account").json["id"]
    assert twin.stop() == 0

    assert owner == rolled == "acct_twin"
    assert stranger != "acct_twin"


def test_events_go_to_the_endpoints_of_their_account_alone(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    ours = hooked.charge(new_key()).json["id"]
    other = Receiver()
    made = hooked.post(
        "/v1/webhook_endpoints",
        {"url": other.url, "enabled_events[]": "*"},
        headers=as_key(THEIRS),
    )
    theirs = hooked.post("/v1/payment_intents", CARD, headers=as_key(THEIRS)).json["id"]
    eventually(lambda: other.events("payment_intent.succeeded", theirs), "their event")
    eventually(lambda: receiver.events("payment_intent.succeeded", ours), "our event")

    assert made.status == 200
    assert not receiver.events("payment_intent.succeeded", theirs)
    assert not other.events("payment_intent.succeeded", ours)
    assert all("account" not in got.event for got in [*receiver.received, *other.received])
    listed = get_as(hooked, OURS, "/v1/webhook_endpoints").json["data"]
    assert made.json["id"] not in {endpoint["id"] for endpoint in listed}
    other.close()


def test_a_platform_acts_in_its_connected_accounts_and_hears_of_them(
    hooked: TwinProcess, receiver: Receiver
) -> None:
    client = hooked.sdk()
    account = client.v1.accounts.create({"country": "DE", "email": "shop@example.com"}).id
    platform = Receiver()
    client.v1.webhook_endpoints.create(
        {"url": platform.url, "enabled_events": ["*"], "connect": True}
    )
    own = hooked.charge(new_key()).json["id"]

    intent = client.v1.payment_intents.create(
        {"amount": 900, "currency": "eur"}, {"stripe_account": account}
    )
    eventually(lambda: platform.events("payment_intent.created", intent.id), "their event")
    eventually(lambda: receiver.events("payment_intent.succeeded", own), "our event")

    assert {got.event["account"] for got in platform.received} == {account}
    assert not receiver.events("payment_intent.created", intent.id)
    assert not platform.events("payment_intent.succeeded", own)
    assert [found.id for found in client.v1.accounts.list().data] == [account]
    assert client.v1.accounts.retrieve(account).country == "DE"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.retrieve(intent.id)
    platform.close()


@pytest.mark.parametrize("account", ["acct_nobody", "acct_theirs", "nonsense", ""])
def test_an_account_that_is_not_the_keys_is_refused(alone: TwinProcess, account: str) -> None:
    alone.charge(new_key())
    alone.post("/v1/customers", headers=as_key("sk_test_platform_1"))
    alone.ask("POST", "/accounts", {"account": "acct_theirs", "platform": "acct_platform"})

    refused = get_as(alone, OURS, "/v1/payment_intents", **{"Stripe-Account": account})
    allowed = get_as(
        alone, "sk_test_platform_2", "/v1/payment_intents", **{"Stripe-Account": "acct_theirs"}
    )

    assert (refused.status, refused.error["code"]) == (403, "account_invalid")
    assert refused.error["message"] == (
        f"The provided key 'sk_test_*****' does not have access to account '{account}' (or that "
        "account does not exist). Application access may have been revoked."
    )
    assert refused.headers["Request-Id"].startswith("req_")
    assert allowed.status == 200


def test_a_restricted_key_does_what_it_may_and_no_more(alone: TwinProcess) -> None:
    alone.charge(new_key())
    permissions = ["rak_payment_intent_read", "rak_customer_write"]
    alone.ask("POST", "/keys", {"key": "rk_test_reader", "permissions": permissions})
    read, write = as_key("rk_test_reader"), {"amount": 900, "currency": "usd"}

    allowed = [
        get_as(alone, "rk_test_reader", "/v1/payment_intents"),
        get_as(alone, "rk_test_reader", "/v1/customers"),
        alone.post("/v1/customers", headers=read),
    ]
    refused = alone.post("/v1/payment_intents", write, headers=read)

    assert [answer.status for answer in allowed] == [200, 200, 200]
    assert len(allowed[0].json["data"]) == 1
    assert (refused.status, refused.error["type"]) == (403, "invalid_request_error")
    assert "Having the 'rak_payment_intent_write' permission" in refused.error["message"]


def test_a_revoked_key_is_answered_as_expired(alone: TwinProcess) -> None:
    before = get_as(alone, OURS, "/v1/account")
    alone.ask("POST", "/keys", {"key": OURS, "expired": True})

    after = get_as(alone, OURS, "/v1/account")

    assert before.status == 200
    assert (after.status, after.error["code"]) == (401, "api_key_expired")
    assert after.error["message"] == "Expired API Key provided: sk_test_*****"


def test_the_operator_acts_in_any_account_and_is_told_which(alone: TwinProcess) -> None:
    alone.charge(new_key())
    them = as_key("sk_test_shop_1")
    waiting = {**CARD, "payment_method": "pm_twin_card_processing"}
    intent = alone.post("/v1/payment_intents", waiting, headers=them).json["id"]

    done = alone.ask("POST", "/complete", {"payment_intent": intent})
    event = get_as(alone, "sk_test_shop_1", "/v1/events").json["data"][0]["id"]
    sent = alone.ask("POST", "/deliver", {"event": event})
    accounts = {row["account"] for row in alone.ask("GET", "/status")["accounts"]}

    assert (done["status"], done["account"]) == ("succeeded", "acct_shop")
    assert (sent["account"], sent["endpoints"]) == ("acct_shop", [])
    assert accounts == {"acct_twin", "acct_shop"}
    assert {row["account"] for row in alone.rows("/executions", account="acct_shop")} == {
        "acct_shop"
    }


def test_a_fault_may_be_for_one_account(alone: TwinProcess) -> None:
    alone.charge(new_key())
    alone.fault("reject", match={"account": "acct_shop"})

    theirs = alone.post("/v1/payment_intents", CARD, headers=as_key("sk_test_shop_1"))

    assert (theirs.status, alone.charge(new_key()).status) == (503, 200)


def as_of_version_one(data: Path) -> None:
    """Make a stopped twin's ledger what it was before it knew accounts."""
    with sqlite3.connect(data / "ledger.sqlite3") as ledger:
        ledger.execute("DROP TABLE accounts")
        ledger.execute("DROP TABLE api_keys")
        ledger.execute("DELETE FROM settings")
        ledger.execute("PRAGMA user_version = 1")


def test_a_ledger_from_before_keeps_its_objects_and_its_connected_accounts(tmp_path: Path) -> None:
    first = TwinProcess(tmp_path / "twin")
    paid = first.charge(new_key()).json["id"]
    theirs = first.connect("acct_shop7")
    customer = first.post("/v1/customers", headers=theirs).json["id"]
    assert first.stop() == 0
    as_of_version_one(tmp_path / "twin")

    second = TwinProcess(tmp_path / "twin")
    known: list[Any] = [
        get_as(second, "sk_test_anything", f"/v1/payment_intents/{paid}").status,
        get_as(second, "sk_test_anything", f"/v1/customers/{customer}", **theirs).status,
        get_as(second, THEIRS, f"/v1/payment_intents/{paid}").status,
    ]
    assert second.stop() == 0

    assert known == [200, 200, 404]
