"""Refunds: partial, pending, failed, and never more than was taken."""

from __future__ import annotations

from typing import Any

from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually


def refund(twin: TwinProcess, **parameters: object) -> Any:
    return twin.post("/v1/refunds", parameters, new_key())


def settled(twin: TwinProcess, refund_id: str, status: str) -> dict[str, Any]:
    def question() -> dict[str, Any] | None:
        found = twin.get(f"/v1/refunds/{refund_id}").json
        return found if found["status"] == status else None

    return eventually(question, f"{refund_id} is {status}")


def test_partial_refunds_add_up_to_the_charge_and_no_further(twin: TwinProcess) -> None:
    made = twin.charge(new_key()).json

    first = refund(twin, payment_intent=made["id"], amount=1300)
    too_much = refund(twin, payment_intent=made["id"], amount=2000)
    rest = refund(twin, payment_intent=made["id"])
    nothing_left = refund(twin, charge=made["latest_charge"])

    assert (first.json["status"], first.json["amount"]) == ("succeeded", 1300)
    assert too_much.status == 400
    assert too_much.error["message"] == (
        "Refund amount ($20.00) is greater than unrefunded amount on charge ($7.00)"
    )
    assert too_much.error["param"] == "amount"
    assert "code" not in too_much.error
    assert rest.json["amount"] == 700
    assert nothing_left.error["code"] == "charge_already_refunded"
    assert nothing_left.error["message"] == (
        f"Charge {made['latest_charge']} has already been refunded."
    )
    charge = twin.get(f"/v1/charges/{made['latest_charge']}").json
    assert (charge["refunded"], charge["amount_refunded"]) == (True, 2000)
    rows = twin.rows(f"/executions?payment_intent={made['id']}")
    assert [(row["kind"], row["amount"]) for row in rows] == [
        ("charge", 2000),
        ("refund", 1300),
        ("refund", 700),
    ]


def test_a_replayed_refund_gives_money_back_once(twin: TwinProcess) -> None:
    made = twin.charge(new_key()).json
    key = new_key()
    parameters = {"payment_intent": made["id"], "amount": 500}

    first = twin.post("/v1/refunds", parameters, key)
    second = twin.post("/v1/refunds", parameters, key)

    assert second.body == first.body
    assert len(twin.get("/v1/refunds", payment_intent=made["id"]).json["data"]) == 1


def test_two_partial_refunds_without_a_key_both_happen(twin: TwinProcess) -> None:
    made = twin.charge(new_key()).json
    parameters = {"payment_intent": made["id"], "amount": 500}

    twin.post("/v1/refunds", parameters)
    twin.post("/v1/refunds", parameters)

    assert twin.get(f"/v1/charges/{made['latest_charge']}").json["amount_refunded"] == 1000


def test_an_unpaid_intent_has_nothing_to_refund(twin: TwinProcess) -> None:
    made = twin.post("/v1/payment_intents", {"amount": 700, "currency": "usd"}).json

    refused = refund(twin, payment_intent=made["id"])

    assert refused.status == 400
    assert refused.error["message"] == (
        f"This PaymentIntent ({made['id']}) does not have a successful charge to refund."
    )


def test_a_pending_refund_succeeds_after_a_while(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_pendingRefund").json

    pending = refund(twin, payment_intent=made["id"])
    twin.ask("POST", "/clock/advance", {"seconds": 10})

    assert pending.json["status"] == "pending"
    settled(twin, pending.json["id"], "succeeded")


def test_a_succeeded_refund_can_fail_later_and_the_money_is_back(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_refundFail").json

    succeeded = refund(twin, payment_intent=made["id"])
    twin.ask("POST", "/clock/advance", {"seconds": 10})
    failed = settled(twin, succeeded.json["id"], "failed")

    charge = twin.get(f"/v1/charges/{made['latest_charge']}").json
    types = [event["type"] for event in twin.get("/v1/events", limit=5).json["data"]]
    assert succeeded.json["status"] == "succeeded"
    assert failed["failure_balance_transaction"].startswith("txn_")
    assert (charge["refunded"], charge["amount_refunded"]) == (False, 0)
    assert "refund.failed" in types
    assert refund(twin, payment_intent=made["id"]).json["amount"] == 2000


def test_a_pending_refund_can_be_cancelled(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_pendingRefund").json
    pending = refund(twin, payment_intent=made["id"]).json

    cancelled = twin.post(f"/v1/refunds/{pending['id']}/cancel", {}, new_key())
    again = twin.post(f"/v1/refunds/{pending['id']}/cancel", {}, new_key())

    assert cancelled.json["status"] == "canceled"
    assert again.status == 400


def test_a_partly_captured_charge_refunds_what_was_captured(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), capture_method="manual").json
    twin.post(f"/v1/payment_intents/{made['id']}/capture", {"amount_to_capture": 1500})

    too_much = refund(twin, payment_intent=made["id"], amount=1600)
    exact = refund(twin, payment_intent=made["id"], amount=1500)

    assert too_much.status == 400
    assert exact.json["status"] == "succeeded"


def test_the_balance_is_the_sum_of_what_moved(tmp_path: Any) -> None:
    twin = TwinProcess(tmp_path)
    made = twin.charge(new_key()).json
    refund(twin, payment_intent=made["id"], amount=500)

    pending = twin.get("/v1/balance").json["pending"]
    transactions = twin.get("/v1/balance_transactions").json["data"]
    twin.ask("POST", "/clock/advance", {"seconds": 3 * 24 * 3600})
    later = twin.get("/v1/balance").json["available"]
    twin.stop()

    # 20 dollars, 2.9 % and 30 cents of fee, 5 dollars given back.
    assert pending[0]["amount"] == 2000 - 88 - 500
    assert [(t["type"], t["net"]) for t in transactions] == [("refund", -500), ("charge", 1912)]
    assert later[0]["amount"] == 1412
