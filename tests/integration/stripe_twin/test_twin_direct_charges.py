"""Charges of the older API, the cards they take from, and disputes, through the official SDK."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.twin import TwinProcess, new_key


def direct(twin: TwinProcess, **parameters: object) -> Any:
    body = {"amount": 1500, "currency": "usd", "source": "tok_visa", **parameters}
    return twin.post("/v1/charges", {k: v for k, v in body.items() if v is not None}, new_key())


def kinds(twin: TwinProcess, charge_id: str) -> list[str]:
    return [row["kind"] for row in twin.rows(f"/executions?charge={charge_id}")]


def test_a_token_is_charged_without_a_payment_intent(twin: TwinProcess) -> None:
    made = twin.sdk().v1.charges.create(
        {"amount": 1500, "currency": "usd", "source": "tok_visa", "metadata": {"event_id": "e"}}
    )

    assert (made.status, made.paid, made.captured) == ("succeeded", True, True)
    assert made.payment_intent is None
    assert made.source is not None
    assert (made.source["object"], made.source["brand"]) == ("card", "Visa")
    assert made.payment_method == made.source["id"]
    assert kinds(twin, made.id) == ["charge"]
    told = twin.get("/v1/events", type="charge.succeeded", limit=1).json["data"][0]
    assert told["data"]["object"]["id"] == made.id


def test_a_direct_charge_is_made_once_for_its_key(twin: TwinProcess) -> None:
    key = new_key()
    body = {"amount": 700, "currency": "usd", "source": "tok_visa"}

    first, second = (twin.post("/v1/charges", body, key) for _ in range(2))

    assert first.body == second.body
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(twin.rows(f"/executions?key={key}")) == 1


@pytest.mark.parametrize(
    ("source", "code", "decline_code"),
    [
        ("tok_chargeDeclined", "card_declined", "generic_decline"),
        ("tok_chargeDeclinedExpiredCard", "expired_card", None),
        ("tok_threeDSecure2Required", "authentication_required", "authentication_required"),
    ],
)
def test_a_direct_charge_that_fails_leaves_a_failed_charge(
    twin: TwinProcess, source: str, code: str, decline_code: str | None
) -> None:
    refused = direct(twin, source=source)

    left = twin.get(f"/v1/charges/{refused.error['charge']}").json
    assert refused.status == 402
    assert (refused.error["type"], refused.error["code"]) == ("card_error", code)
    assert refused.error.get("decline_code") == decline_code
    assert "payment_intent" not in refused.error
    assert (left["status"], left["failure_code"]) == ("failed", code)
    assert kinds(twin, left["id"]) == ["decline"]


def test_a_customers_default_card_is_charged(twin: TwinProcess) -> None:
    client = twin.sdk()
    customer = client.v1.customers.create({"source": "tok_mastercard"})
    bare = client.v1.customers.create({})

    made = client.v1.charges.create({"amount": 900, "currency": "usd", "customer": customer.id})
    refused = direct(twin, source=None, customer=bare.id)
    nobody = direct(twin, source=None)
    foreign = direct(twin, source=customer.default_source)

    assert (made.customer, made.payment_method) == (customer.id, customer.default_source)
    assert refused.error["code"] == "missing"
    assert (nobody.status, foreign.status) == (400, 400)


def test_cards_are_added_changed_and_taken_away(twin: TwinProcess) -> None:
    client = twin.sdk()
    customer = client.v1.customers.create({}).id

    card = client.v1.customers.payment_sources.create(customer, {"source": "tok_visa"})
    client.v1.customers.payment_sources.update(customer, card.id, {"metadata": {"a": "b"}})
    listed = twin.get(f"/v1/customers/{customer}/sources").json["data"]
    twice = twin.get(f"/v1/customers/{customer}?expand[]=default_source").json
    refused = twin.post(f"/v1/customers/{customer}/sources", {"source": "tok_chargeDeclined"})
    gone = client.v1.customers.payment_sources.delete(customer, card.id)

    assert [(c["id"], c["object"], c["metadata"]) for c in listed] == [
        (card.id, "card", {"a": "b"})
    ]
    assert twice["default_source"]["id"] == card.id
    assert refused.error["code"] == "card_declined"
    assert getattr(gone, "deleted", None) is True
    assert twin.get(f"/v1/customers/{customer}/sources/{card.id}").status == 404
    assert twin.get(f"/v1/customers/{customer}").json["default_source"] is None
    changed = twin.get("/v1/events", type="customer.source.updated", limit=1).json["data"][0]
    assert changed["data"]["previous_attributes"] == {"metadata": {}}


def test_a_direct_charge_can_be_captured_later_in_part(twin: TwinProcess) -> None:
    held = direct(twin, capture="false").json

    taken = twin.post(f"/v1/charges/{held['id']}/capture", {"amount": 500}).json
    again = twin.post(f"/v1/charges/{held['id']}/capture")
    refund = twin.post("/v1/refunds", {"charge": held["id"]}).json

    assert (held["captured"], held["amount_captured"]) == (False, 0)
    assert (taken["captured"], taken["amount_captured"]) == (True, 500)
    assert again.error["code"] == "charge_already_captured"
    assert (refund["amount"], refund["payment_intent"]) == (500, None)
    assert kinds(twin, held["id"]) == ["authorization", "capture", "refund"]


def test_the_charge_of_an_intent_is_captured_through_it(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), capture_method="manual").json

    refused = twin.post(f"/v1/charges/{made['latest_charge']}/capture")

    assert refused.status == 400
    assert made["id"] in refused.error["message"]


def disputed(twin: TwinProcess, method: str = "pm_card_createDispute") -> tuple[str, str]:
    """A dispute and its charge, which exist as soon as the payment does."""
    made = twin.charge(new_key(), payment_method=method).json
    page = twin.get("/v1/disputes", payment_intent=made["id"]).json["data"]
    return page[0]["id"], made["latest_charge"]


def net(twin: TwinProcess) -> int:
    balance = twin.get("/v1/balance").json
    return sum(
        entry["amount"]
        for entry in (*balance["available"], *balance["pending"])
        if entry["currency"] == "usd"
    )


@pytest.mark.parametrize(
    ("evidence", "status", "comes_back"),
    [("winning_evidence", "won", 3500), ("losing_evidence", "lost", 0)],
)
def test_evidence_decides_a_dispute_and_where_the_money_is(
    twin: TwinProcess, evidence: str, status: str, comes_back: int
) -> None:
    before = net(twin)
    dispute_id, charge_id = disputed(twin)
    without = net(twin)

    ended = twin.sdk().v1.disputes.update(
        dispute_id, {"evidence": {"uncategorized_text": evidence}}
    )
    refused = twin.post(f"/v1/disputes/{dispute_id}/close")

    # 2000 less 88 of fees came; 2000 and 1500 of fees went.
    assert without - before == 1912 - 3500
    assert net(twin) - without == comes_back
    assert (ended.status, ended.charge) == (status, charge_id)
    assert len(ended.balance_transactions) == (2 if comes_back else 1)
    assert refused.status == 400
    closed = twin.get("/v1/events", type="charge.dispute.closed", limit=1).json["data"][0]
    assert closed["data"]["previous_attributes"]["status"] == "under_review"


def test_an_inquiry_moves_no_money_and_can_be_closed(twin: TwinProcess) -> None:
    dispute_id, _ = disputed(twin, "pm_card_createDisputeInquiry")

    opened = twin.get(f"/v1/disputes/{dispute_id}").json
    closed = twin.sdk().v1.disputes.close(dispute_id)

    assert (opened["status"], opened["balance_transactions"]) == ("warning_needs_response", [])
    assert closed.status == "warning_closed"
    assert isinstance(closed, stripe.Dispute)


def test_money_that_bypasses_pending_is_available_and_told_of(twin: TwinProcess) -> None:
    before = {e["currency"]: e["amount"] for e in twin.get("/v1/balance").json["available"]}

    made = twin.charge(new_key(), payment_method="pm_card_bypassPending", currency="cad").json

    told = twin.get("/v1/events", type="balance.available", limit=1).json["data"][0]
    after = {e["currency"]: e["amount"] for e in twin.get("/v1/balance").json["available"]}
    booked = twin.get("/v1/balance_transactions", source=made["latest_charge"]).json["data"]
    assert after["cad"] - before.get("cad", 0) == 1912
    assert {e["currency"]: e["amount"] for e in told["data"]["object"]["available"]} == after
    assert [transaction["status"] for transaction in booked] == ["available"]
