"""What each test payment method does to a PaymentIntent, its charge, its events, the ledger."""

from __future__ import annotations

import pytest
import stripe

from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually


def kinds(twin: TwinProcess, payment_intent: str) -> list[str]:
    return [row["kind"] for row in twin.rows(f"/executions?payment_intent={payment_intent}")]


def event_types(twin: TwinProcess, payment_intent: str) -> list[str]:
    """Types of the events about a PaymentIntent or its charges, oldest first."""
    events = twin.get("/v1/events", limit=100).json["data"]
    about = []
    for event in reversed(events):
        subject = event["data"]["object"]
        if payment_intent in (subject["id"], subject.get("payment_intent")):
            about.append(event["type"])
    return about


def test_a_good_card_succeeds_and_leaves_a_charge(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), **{"metadata[order_id]": "o-1"}).json

    charge = twin.get(f"/v1/charges/{made['latest_charge']}").json

    assert made["status"] == "succeeded"
    assert made["amount_received"] == 2000
    assert made["livemode"] is False
    assert "charges" not in made
    assert charge["status"] == "succeeded"
    assert charge["captured"] is True
    assert charge["metadata"] == {"order_id": "o-1"}
    assert kinds(twin, made["id"]) == ["charge"]
    assert event_types(twin, made["id"]) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    (
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "card_declined",
        "card_velocity_exceeded",
    ),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ("pm_card_radarBlock", "card_declined", "fraudulent"),
]


@pytest.mark.parametrize(("method", "code", "decline_code"), DECLINES)
def test_a_decline_leaves_an_intent_and_a_failed_charge(
    twin: TwinProcess, method: str, code: str, decline_code: str | None
) -> None:
    answer = twin.charge(new_key(), payment_method=method)

    error = answer.error
    intent = error["payment_intent"]
    charge = twin.get(f"/v1/charges/{error['charge']}").json
    assert answer.status == 402
    assert (error["type"], error["code"]) == ("card_error", code)
    assert error.get("decline_code") == decline_code
    assert error["payment_method"]["object"] == "payment_method"
    assert intent["status"] == "requires_payment_method"
    assert intent["payment_method"] is None
    assert intent["latest_charge"] == charge["id"]
    assert intent["last_payment_error"]["code"] == code
    assert twin.get(f"/v1/payment_intents/{intent['id']}").json == intent
    assert (charge["status"], charge["paid"], charge["captured"]) == ("failed", False, False)
    assert charge["balance_transaction"] is None
    assert kinds(twin, intent["id"]) == ["decline"]
    assert event_types(twin, intent["id"]) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]


def test_a_declined_intent_can_be_paid_with_another_card(twin: TwinProcess) -> None:
    declined = twin.charge(new_key(), payment_method="pm_card_visa_chargeDeclined")
    intent_id = declined.error["payment_intent"]["id"]

    paid = twin.post(
        f"/v1/payment_intents/{intent_id}/confirm", {"payment_method": "pm_card_visa"}, new_key()
    )

    assert paid.json["status"] == "succeeded"
    assert paid.json["last_payment_error"] is None
    assert kinds(twin, intent_id) == ["decline", "charge"]


def test_a_paid_intent_is_never_paid_again(twin: TwinProcess) -> None:
    intent_id = twin.charge(new_key()).json["id"]

    again = twin.post(f"/v1/payment_intents/{intent_id}/confirm", {}, new_key())

    assert again.status == 400
    assert again.error["code"] == "payment_intent_unexpected_state"
    assert again.error["message"] == (
        "You cannot confirm this PaymentIntent because it has already succeeded after being "
        "previously confirmed."
    )
    assert again.error["payment_intent"]["status"] == "succeeded"
    assert kinds(twin, intent_id) == ["charge"]


def test_authentication_is_completed_by_the_operator(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_authenticationRequired").json

    done = twin.ask("POST", "/complete", {"payment_intent": made["id"]})

    assert made["status"] == "requires_action"
    assert made["next_action"]["type"] == "use_stripe_sdk"
    assert done["status"] == "succeeded"
    assert kinds(twin, made["id"]) == ["charge"]


def test_failed_authentication_makes_no_charge(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_threeDSecure2Required").json

    failed = twin.ask("POST", "/complete", {"payment_intent": made["id"], "succeed": False})

    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert kinds(twin, made["id"]) == []


def test_authentication_cannot_happen_off_session(twin: TwinProcess) -> None:
    answer = twin.charge(
        new_key(), payment_method="pm_card_authenticationRequired", off_session="true"
    )

    assert answer.status == 402
    assert answer.error["code"] == "authentication_required"


DEBITS = [
    ("pm_usBankAccount_success", "succeeded", ["pending", "charge"]),
    ("pm_usBankAccount_insufficientFunds", "requires_payment_method", ["pending", "decline"]),
    ("pm_usBankAccount_accountClosed", "requires_payment_method", ["pending", "decline"]),
    ("pm_usBankAccount_noAccount", "requires_payment_method", ["pending", "decline"]),
    ("pm_usBankAccount_debitNotAuthorized", "requires_payment_method", ["pending", "decline"]),
]


@pytest.mark.parametrize(("method", "status", "ledger"), DEBITS)
def test_a_bank_debit_is_processing_until_time_passes(
    twin: TwinProcess, method: str, status: str, ledger: list[str]
) -> None:
    made = twin.charge(
        new_key(), payment_method=method, **{"payment_method_types[]": "us_bank_account"}
    ).json

    twin.ask("POST", "/clock/advance", {"seconds": 10})
    eventually(lambda: len(kinds(twin, made["id"])) == 2, "the bank decides")

    assert made["status"] == "processing"
    assert twin.get(f"/v1/payment_intents/{made['id']}").json["status"] == status
    assert kinds(twin, made["id"]) == ledger


@pytest.mark.parametrize(
    ("method", "kind"),
    [("pm_usBankAccount_processing", "us_bank_account"), ("pm_twin_card_processing", "card")],
)
def test_some_methods_stay_processing_until_told(twin: TwinProcess, method: str, kind: str) -> None:
    parameters = {"payment_method": method, "payment_method_types[]": kind}
    told, cancelled = (twin.charge(new_key(), **parameters).json["id"] for _ in range(2))

    twin.ask("POST", "/clock/advance", {"seconds": 3600})
    waiting = twin.get(f"/v1/payment_intents/{told}").json["status"]
    done = twin.ask("POST", "/complete", {"payment_intent": told})
    ended = twin.post(f"/v1/payment_intents/{cancelled}/cancel")

    assert waiting == "processing"
    assert done["status"] == "succeeded"
    assert ended.json["status"] == "canceled"
    assert kinds(twin, cancelled) == ["pending"]


def test_manual_capture_takes_a_part_and_releases_the_rest(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), capture_method="manual").json

    captured = twin.post(
        f"/v1/payment_intents/{made['id']}/capture", {"amount_to_capture": 1500}, new_key()
    ).json
    again = twin.post(f"/v1/payment_intents/{made['id']}/capture", {}, new_key())

    assert (made["status"], made["amount_capturable"]) == ("requires_capture", 2000)
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 1500)
    assert again.status == 400
    assert "has a status of succeeded" in again.error["message"]
    assert kinds(twin, made["id"]) == ["authorization", "capture"]
    assert twin.rows(f"/executions?payment_intent={made['id']}&kind=capture")[0]["amount"] == 1500


def test_an_authorisation_lapses_after_seven_days(twin: TwinProcess) -> None:
    intent_id = twin.charge(new_key(), capture_method="manual").json["id"]

    twin.ask("POST", "/clock/advance", {"seconds": 7 * 24 * 3600 + 1})

    def status() -> bool:
        return bool(twin.get(f"/v1/payment_intents/{intent_id}").json["status"] == "canceled")

    eventually(status, "the authorisation lapses")
    assert kinds(twin, intent_id) == ["authorization"]


def test_a_disputed_charge_cannot_be_refunded(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_createDispute").json

    twin.ask("POST", "/clock/advance", {"seconds": 5})
    eventually(lambda: "dispute" in kinds(twin, made["id"]), "the dispute")
    refused = twin.post("/v1/refunds", {"payment_intent": made["id"]}, new_key())

    assert refused.error["code"] == "charge_disputed"
    assert "charge.dispute.created" in event_types(twin, made["id"])


def test_a_charge_whose_dispute_was_won_can_be_refunded_again(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_createDispute").json
    twin.ask("POST", "/clock/advance", {"seconds": 5})
    found = eventually(
        lambda: twin.get("/v1/disputes", payment_intent=made["id"]).json["data"], "the dispute"
    )

    said = {"evidence[uncategorized_text]": "winning_evidence", "submit": "true"}
    twin.post(f"/v1/disputes/{found[0]['id']}", said, new_key())
    given = twin.post("/v1/refunds", {"payment_intent": made["id"]}, new_key())

    assert given.status == 200


@pytest.mark.parametrize(
    ("parameters", "status", "code", "param"),
    [
        ({"amount": "12x"}, 400, "parameter_invalid_integer", "amount"),
        ({"amount": "0"}, 400, "parameter_invalid_integer", "amount"),
        ({"amount": "10"}, 400, "amount_too_small", "amount"),
        ({"amount": ""}, 400, "parameter_missing", "amount"),
        ({"colour": "red"}, 400, "parameter_unknown", "colour"),
        ({"payment_method": "pm_card_nobody"}, 404, "resource_missing", "payment_method"),
        ({"customer": "cus_nobody"}, 404, "resource_missing", "customer"),
    ],
)
def test_bad_parameters_charge_nobody(
    twin: TwinProcess, parameters: dict[str, str], status: int, code: str, param: str
) -> None:
    key = new_key()

    refused = twin.charge(key, **parameters)

    assert refused.status == status
    assert (refused.error["code"], refused.error["param"]) == (code, param)
    assert twin.rows(f"/executions?key={key}") == []


def test_the_dashboards_methods_need_a_return_url(twin: TwinProcess) -> None:
    parameters = {"amount": 700, "currency": "usd", "confirm": "true"}

    refused = twin.post("/v1/payment_intents", {**parameters, "payment_method": "pm_card_visa"})

    assert refused.status == 400
    assert "return_url" in refused.error["message"]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer sk_" + "live_abcdefghijkl", 401),
        ("Bearer rk_" + "live_abcdefghijkl", 401),
        ("Bearer pk_test_abcdefghijkl", 401),
        ("Bearer nonsense", 401),
        ("Bearer rk_test_abcdefghijkl", 200),
        ("Basic c2tfdGVzdF9hYmM6", 200),
    ],
)
def test_only_test_keys_are_accepted(twin: TwinProcess, authorization: str, status: int) -> None:
    answer = twin.post(
        "/v1/payment_intents",
        {"amount": 700, "currency": "usd"},
        headers={"Authorization": authorization},
    )

    assert answer.status == status
    assert b"abcdefghijkl" not in answer.body


def test_the_sdk_reads_a_decline_as_a_card_error(twin: TwinProcess) -> None:
    with pytest.raises(stripe.CardError) as caught:
        twin.sdk().v1.payment_intents.create(
            {
                "amount": 700,
                "currency": "usd",
                "confirm": True,
                "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds",
                # The SDK's types name only its successor; the API takes both.
                "payment_method_types": ["card"],  # type: ignore[typeddict-unknown-key]
            }
        )

    error = caught.value.error
    assert error is not None
    assert caught.value.code == "card_declined"
    assert error.decline_code == "insufficient_funds"
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    assert caught.value.user_message == "Your card has insufficient funds."
