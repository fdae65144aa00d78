"""What Stripe refuses, the twin refuses: status, type, code, parameter, and nothing is charged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_client import Answer
from tests.support.twin import CARD, TwinProcess, new_key

TYPES = "payment_method_types[]"


def refused_error(answer: Answer) -> dict[str, Any]:
    """The error of a 400; every refusal names its request."""
    assert answer.status == 400, answer.body
    assert answer.headers["Request-Id"].startswith("req_")
    error = answer.error
    assert error["type"] == "invalid_request_error"
    code = error.get("code")
    if code is not None:
        assert error["doc_url"].endswith(f"/error-codes/{code.replace('_', '-')}")
    return error


@pytest.mark.parametrize(
    ("changed", "code", "param"),
    [
        ({"amount": 1001, "currency": "kwd"}, "invalid_charge_amount", "amount"),
        ({"amount": 10101, "currency": "isk"}, "invalid_charge_amount", "amount"),
        ({"amount": 1000, "currency": "xxx"}, None, "currency"),
        ({"amount": 29, "currency": "gbp"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": -1}, "parameter_invalid_integer", "amount"),
        ({"amount": "10.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": "1e3"}, "parameter_invalid_integer", "amount"),
        ({"amount": " 100"}, "parameter_invalid_integer", "amount"),
        ({"amount": "+500"}, "parameter_invalid_integer", "amount"),
        ({"amount": "\u0665\u0660\u0660"}, "parameter_invalid_integer", "amount"),
        ({"amount": "1_000"}, "parameter_invalid_integer", "amount"),
        (
            {"statement_descriptor": "BOOKSHOP"},
            *("payment_intent_invalid_parameter", "statement_descriptor"),
        ),
        (
            {"statement_descriptor_suffix": "A<B>"},
            *("parameter_invalid", "statement_descriptor_suffix"),
        ),
        ({TYPES: "gold"}, "payment_intent_invalid_parameter", "payment_method_types"),
        ({TYPES: "sepa_debit"}, "payment_intent_invalid_currency", "currency"),
        ({"description": "x" * 1001}, None, "description"),
        ({"receipt_email": "x" * 5001}, None, "receipt_email"),
        ({"metadata": "order"}, None, "metadata"),
        ({"metadata[a[b]]": "1"}, None, "metadata[a[b]]"),
        ({"metadata[a][b]": "1"}, None, "metadata[a]"),
        ({f"metadata[{'k' * 41}]": "1"}, None, f"metadata[{'k' * 41}]"),
    ],
)
def test_a_charge_that_stripe_refuses_is_refused_and_not_made(
    twin: TwinProcess, changed: dict[str, object], code: str | None, param: str
) -> None:
    key = new_key()

    error = refused_error(twin.post("/v1/payment_intents", {**CARD, **changed}, key))

    assert (error.get("code"), error["param"]) == (code, param)
    assert twin.rows("/executions", key=key) == []


def test_capitals_are_taken_and_answered_in_small_letters(twin: TwinProcess) -> None:
    assert twin.charge(new_key(), currency="EUR").json["currency"] == "eur"


def test_a_descriptor_is_refused_on_update_and_on_capture_too(twin: TwinProcess) -> None:
    held = twin.charge(new_key(), capture_method="manual").json["id"]
    described = {"statement_descriptor": "BOOKSHOP"}

    errors = [
        refused_error(twin.post(f"/v1/payment_intents/{held}/capture", described, new_key())),
        refused_error(
            twin.post(
                "/v1/payment_intents",
                {"amount": 900, "currency": "usd", **described},
            )
        ),
    ]
    fresh = twin.post("/v1/payment_intents", {"amount": 900, "currency": "usd", TYPES: "card"})
    errors.append(refused_error(twin.post(f"/v1/payment_intents/{fresh.json['id']}", described)))

    assert {error["param"] for error in errors} == {"statement_descriptor"}
    assert twin.payment_intent(held)["status"] == "requires_capture"


def test_digits_that_the_currency_lacks_are_refused_in_captures_and_refunds(
    twin: TwinProcess,
) -> None:
    held = twin.charge(new_key(), currency="kwd", capture_method="manual").json["id"]
    paid = twin.charge(new_key(), currency="kwd").json["id"]

    capture = refused_error(
        twin.post(f"/v1/payment_intents/{held}/capture", {"amount_to_capture": 1001}, new_key())
    )
    refund = refused_error(
        twin.post("/v1/refunds", {"payment_intent": paid, "amount": 1001}, new_key())
    )
    direct = refused_error(
        twin.post("/v1/charges", {"amount": 1001, "currency": "kwd", "source": "tok_visa"})
    )

    assert (capture["code"], capture["param"]) == ("invalid_charge_amount", "amount_to_capture")
    assert (refund["code"], refund["param"]) == ("invalid_charge_amount", "amount")
    assert (direct["code"], direct["param"]) == ("invalid_charge_amount", "amount")
    assert twin.refunds(paid) == []


def test_an_update_cannot_make_an_amount_or_types_that_no_create_could(twin: TwinProcess) -> None:
    made = twin.post("/v1/payment_intents", {"amount": 1001, "currency": "usd", TYPES: "card"})
    path = f"/v1/payment_intents/{made.json['id']}"

    currency = refused_error(twin.post(path, {"currency": "kwd"}))
    types = refused_error(twin.post(path, {TYPES: "sepa_debit"}))

    assert currency["code"] == "invalid_charge_amount"
    assert types["code"] == "payment_intent_invalid_currency"
    assert twin.payment_intent(made.json["id"])["currency"] == "usd"


def test_the_states_that_allow_nothing_more_say_so(twin: TwinProcess) -> None:
    paid = twin.charge(new_key()).json["id"]
    gone = twin.post("/v1/payment_intents", {"amount": 900, "currency": "usd", TYPES: "card"})
    gone_path = f"/v1/payment_intents/{gone.json['id']}"
    twin.post(f"{gone_path}/cancel")

    errors = [
        refused_error(twin.post(f"/v1/payment_intents/{paid}/cancel", {}, new_key())),
        refused_error(twin.post(f"/v1/payment_intents/{paid}/confirm", {}, new_key())),
        refused_error(twin.post(f"/v1/payment_intents/{paid}/capture", {}, new_key())),
        refused_error(twin.post(f"{gone_path}/confirm", {"payment_method": "pm_card_visa"})),
        refused_error(twin.post(f"{gone_path}/cancel")),
    ]

    assert {error["code"] for error in errors} == {"payment_intent_unexpected_state"}
    assert all(error["payment_intent"]["id"] for error in errors)


def test_what_took_no_money_cannot_be_refunded_and_nothing_twice(twin: TwinProcess) -> None:
    held = twin.charge(new_key(), capture_method="manual").json["id"]
    gone = twin.post("/v1/payment_intents", {"amount": 900, "currency": "usd", TYPES: "card"})
    twin.post(f"/v1/payment_intents/{gone.json['id']}/cancel")
    paid = twin.charge(new_key()).json["id"]

    for intent in (held, gone.json["id"]):
        refused_error(twin.post("/v1/refunds", {"payment_intent": intent}, new_key()))
    more = refused_error(
        twin.post("/v1/refunds", {"payment_intent": paid, "amount": 2001}, new_key())
    )
    twin.refund(paid)
    again = refused_error(twin.post("/v1/refunds", {"payment_intent": paid}, new_key()))

    assert "code" not in more
    assert more["message"] == (
        "Refund amount ($20.01) is greater than unrefunded amount on charge ($20.00)"
    )
    assert again["code"] == "charge_already_refunded"


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ({"limit": 0}, "parameter_invalid_integer", "limit"),
        ({"limit": 101}, "parameter_invalid_integer", "limit"),
        ({"limit": "ten"}, "parameter_invalid_integer", "limit"),
        ({"starting_after": "pi_1", "ending_before": "pi_2"}, "parameters_exclusive", None),
        ({"expand[]": "data.a.b.c.d"}, "property_expansion_max_depth", "expand"),
        ({"expand[]": "data.colour"}, None, "expand"),
        ({"created[before]": "5"}, None, "created"),
    ],
)
def test_a_list_with_a_bound_that_is_none_is_refused(
    twin: TwinProcess, query: dict[str, Any], code: str | None, param: str | None
) -> None:
    error = refused_error(twin.get("/v1/payment_intents", **query))

    assert error.get("code") == code
    assert param is None or error["param"] == param


def test_a_cursor_that_is_no_object_is_refused_by_name(twin: TwinProcess) -> None:
    answer = twin.get("/v1/payment_intents", starting_after="pi_nobody")

    assert (answer.error["code"], answer.error["param"]) == ("resource_missing", "starting_after")
    assert answer.error["message"] == "No such payment_intent: 'pi_nobody'"


def test_a_property_that_an_object_does_not_have_is_not_expanded(twin: TwinProcess) -> None:
    paid = twin.charge(new_key()).json["id"]

    error = refused_error(twin.get(f"/v1/payment_intents/{paid}", **{"expand[]": "charge"}))

    assert error["message"] == "This property cannot be expanded (charge)."


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_none_is_refused_before_anything_runs(twin: TwinProcess, key: str) -> None:
    before = len(twin.rows("/executions"))

    refused_error(twin.charge(key))

    assert len(twin.rows("/executions")) == before
