"""Bank transfers: money comes in parts, and is charged once all of it is there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_client import Answer
from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import Receiver

OPTIONS = "payment_method_options[customer_balance]"


def customer(twin: TwinProcess) -> str:
    return str(twin.post("/v1/customers").json["id"])


def ask_for(twin: TwinProcess, customer_id: str | None, **changed: object) -> Answer:
    """A confirmed PaymentIntent over 20 dollars that is paid by transfer."""
    parameters: dict[str, object] = {
        "amount": 2000,
        "currency": "usd",
        "confirm": "true",
        "payment_method_types[]": "customer_balance",
        "payment_method_data[type]": "customer_balance",
        f"{OPTIONS}[funding_type]": "bank_transfer",
        f"{OPTIONS}[bank_transfer][type]": "us_bank_transfer",
        **({} if customer_id is None else {"customer": customer_id}),
        **changed,
    }
    return twin.post("/v1/payment_intents", parameters, new_key())


def send(twin: TwinProcess, customer_id: str, amount: int, **more: object) -> Answer:
    path = f"/v1/test_helpers/customers/{customer_id}/fund_cash_balance"
    return twin.post(path, {"amount": amount, "currency": "usd", **more}, new_key())


def instructions(intent: dict[str, Any]) -> dict[str, Any]:
    assert intent["next_action"]["type"] == "display_bank_transfer_instructions"
    found: dict[str, Any] = intent["next_action"]["display_bank_transfer_instructions"]
    return found


def cash(twin: TwinProcess, customer_id: str) -> Any:
    return twin.get(f"/v1/customers/{customer_id}/cash_balance").json["available"]


def types(twin: TwinProcess, object_id: str) -> list[str]:
    events = twin.get("/v1/events", limit=100).json["data"]
    return [e["type"] for e in reversed(events) if e["data"]["object"].get("id") == object_id]


def test_a_payment_that_is_sent_in_parts_is_charged_when_all_is_there(twin: TwinProcess) -> None:
    payer = customer(twin)
    made = ask_for(twin, payer).json
    assert (made["status"], instructions(made)["amount_remaining"]) == ("requires_action", 2000)
    assert instructions(made)["type"] == "us_bank_transfer"

    first = send(twin, payer, 500).json
    after_one = twin.payment_intent(made["id"])
    money_after_one = twin.rows("/executions", payment_intent=made["id"])
    send(twin, payer, 1600)
    paid = twin.payment_intent(made["id"])

    assert (first["type"], first["net_amount"]) == ("funded", 500)
    assert after_one["status"] == "requires_action"
    assert instructions(after_one)["amount_remaining"] == 1500
    assert instructions(after_one)["reference"] == instructions(made)["reference"]
    assert money_after_one == []
    assert (paid["status"], paid["amount_received"]) == ("succeeded", 2000)
    assert paid["next_action"] is None
    assert not [name for name in paid if name.startswith("twin_")]
    assert cash(twin, payer) == {"usd": 100}
    taken = twin.rows("/executions", payment_intent=made["id"])
    assert [(row["kind"], row["amount"]) for row in taken] == [("charge", 2000)]
    assert types(twin, made["id"]) == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.partially_funded",
        "payment_intent.succeeded",
    ]
    moved = twin.get(f"/v1/customers/{payer}/cash_balance_transactions").json["data"]
    assert [(row["type"], row["net_amount"]) for row in reversed(moved)] == [
        ("funded", 500),
        ("applied_to_payment", -500),
        ("funded", 1600),
        ("applied_to_payment", -1500),
    ]


def test_what_the_customer_has_already_is_taken_first(twin: TwinProcess) -> None:
    payer = customer(twin)
    send(twin, payer, 2500)

    whole = ask_for(twin, payer).json
    part = ask_for(twin, payer).json

    assert (whole["status"], whole["amount_received"]) == ("succeeded", 2000)
    assert instructions(part)["amount_remaining"] == 1500
    assert "payment_intent.partially_funded" in types(twin, part["id"])
    assert cash(twin, payer) is None


def test_a_transfer_goes_to_the_payment_whose_reference_it_names(twin: TwinProcess) -> None:
    payer = customer(twin)
    older, named = ask_for(twin, payer).json, ask_for(twin, payer).json

    send(twin, payer, 2500, reference=instructions(named)["reference"])

    assert twin.payment_intent(named["id"])["status"] == "succeeded"
    assert instructions(twin.payment_intent(older["id"]))["amount_remaining"] == 1500


def test_a_payment_given_up_gives_back_what_was_sent_for_it(twin: TwinProcess) -> None:
    payer = customer(twin)
    made = ask_for(twin, payer).json["id"]
    send(twin, payer, 700)

    held = cash(twin, payer)
    cancelled = twin.post(f"/v1/payment_intents/{made}/cancel", {}, new_key()).json
    send(twin, payer, 300)

    assert held is None
    assert (cancelled["status"], cancelled["next_action"]) == ("canceled", None)
    assert cash(twin, payer) == {"usd": 1000}
    assert twin.rows("/executions", payment_intent=made) == []


def test_a_partially_funded_payment_keeps_its_amount(twin: TwinProcess) -> None:
    payer = customer(twin)
    made = ask_for(twin, payer).json["id"]
    send(twin, payer, 700)

    refused = twin.post(f"/v1/payment_intents/{made}", {"amount": 600})

    assert (refused.status, refused.error["param"]) == (400, "amount")
    assert instructions(twin.payment_intent(made))["amount_remaining"] == 1300


def test_the_operator_lets_a_transfer_arrive_and_the_rest_of_one(twin: TwinProcess) -> None:
    payer = customer(twin)
    made = ask_for(twin, payer).json["id"]

    twin.ask("POST", "/fund", {"customer": payer, "amount": 500, "currency": "usd"})
    part = instructions(twin.payment_intent(made))["amount_remaining"]
    twin.complete(made, succeed=True)

    assert part == 1500
    assert twin.payment_intent(made)["status"] == "succeeded"
    assert cash(twin, payer) is None


def test_a_receiver_hears_of_each_part(hooked: TwinProcess, receiver: Receiver) -> None:
    payer = customer(hooked)
    made = ask_for(hooked, payer).json["id"]
    send(hooked, payer, 1)
    send(hooked, payer, 2)

    def remaining() -> set[int]:
        heard = receiver.events("payment_intent.partially_funded", made)
        return {instructions(got.event["data"]["object"])["amount_remaining"] for got in heard}

    eventually(lambda: remaining() == {1999, 1997}, "two events")


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        (
            {f"{OPTIONS}[bank_transfer][type]": "eu_bank_transfer"},
            f"{OPTIONS}[bank_transfer][type]",
        ),
        ({f"{OPTIONS}[funding_type]": "cash"}, f"{OPTIONS}[funding_type]"),
        ({"currency": "chf"}, "currency"),
    ],
)
def test_a_transfer_that_there_is_not_is_refused(
    twin: TwinProcess, changed: dict[str, object], param: str
) -> None:
    refused = ask_for(twin, customer(twin), **changed)

    assert (refused.status, refused.error["param"]) == (400, param)


def test_a_transfer_needs_somebody_who_sends_it_and_an_amount(twin: TwinProcess) -> None:
    nobody = ask_for(twin, None)
    nothing = send(twin, customer(twin), 0)
    francs = send(twin, customer(twin), 100, currency="chf")

    assert (nobody.status, nobody.error["param"]) == (400, "customer")
    assert (nothing.status, nothing.error["param"]) == (400, "amount")
    assert (francs.status, francs.error["param"]) == (400, "currency")
    assert send(twin, "cus_nobody", 100).status == 404
