"""Idempotency keys as a client meets them; expected bodies and headers are written by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.twin import CARD, TwinProcess, new_key
from tests.support.waiting import eventually


def test_a_replay_has_the_same_bytes_and_says_so(twin: TwinProcess) -> None:
    key = new_key()

    first = twin.charge(key)
    second = twin.charge(key)

    assert (first.status, second.status) == (200, 200)
    assert second.body == first.body
    assert first.headers["Original-Request"] == first.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert second.headers["Request-Id"] != first.headers["Request-Id"]
    assert second.headers["Idempotency-Key"] == key
    assert second.headers["Stripe-Should-Retry"] == "false"
    assert second.headers["Cache-Control"] == "no-cache, no-store"
    assert len(twin.rows(f"/executions?key={key}")) == 1


def test_a_replay_shows_the_state_of_then_and_not_of_now(twin: TwinProcess) -> None:
    key = new_key()
    first = twin.post("/v1/payment_intents", {"amount": 700, "currency": "usd"}, key)

    cancelled = twin.post(f"/v1/payment_intents/{first.json['id']}/cancel")
    replayed = twin.post("/v1/payment_intents", {"amount": 700, "currency": "usd"}, key)

    assert cancelled.json["status"] == "canceled"
    assert replayed.body == first.body
    assert replayed.json["status"] == "requires_payment_method"


def test_a_key_with_other_parameters_is_refused_in_stripes_words(twin: TwinProcess) -> None:
    key = new_key()
    twin.charge(key)

    refused = twin.charge(key, amount=2001)

    assert refused.status == 400
    assert refused.json == {
        "error": {
            "type": "idempotency_error",
            "message": "Keys for idempotent requests can only be used with the same parameters "
            "they were first used with. Try using a key other than "
            f"'{key}' if you meant to execute a different request.",
        }
    }
    assert len(twin.rows(f"/executions?key={key}")) == 1


def test_a_key_belongs_to_the_account_and_not_to_an_endpoint(twin: TwinProcess) -> None:
    key = new_key()
    made = twin.charge(key)
    path = f"/v1/payment_intents/{made.json['id']}/cancel"

    refused = twin.post(path, {}, key)

    assert refused.status == 400
    assert refused.json == {
        "error": {
            "type": "idempotency_error",
            "message": "Keys for idempotent requests can only be used for the same endpoint they "
            f"were first used for ('{path}' vs '/v1/payment_intents'). Try using a key other than "
            f"'{key}' if you meant to execute a different request.",
        }
    }


def test_the_order_of_parameters_does_not_matter(twin: TwinProcess) -> None:
    key = new_key()
    first = twin.post("/v1/payment_intents", {"amount": 700, "currency": "usd"}, key)

    second = twin.post("/v1/payment_intents", {"currency": "usd", "amount": 700}, key)

    assert second.body == first.body


def test_two_accounts_may_use_one_key(twin: TwinProcess) -> None:
    key = new_key()
    first = twin.charge(key)
    theirs = twin.connect("acct_other")

    other = twin.post("/v1/payment_intents", CARD, key, headers=theirs)
    seen = twin.post(f"/v1/payment_intents/{first.json['id']}/cancel", headers=theirs)

    assert other.status == 200
    assert other.json["id"] != first.json["id"]
    assert seen.status == 404


def test_a_second_request_while_the_first_runs_is_told_so(twin: TwinProcess) -> None:
    key = new_key()
    fault = twin.fault("slow", count=1, match={"key": key}, numbers={"seconds": 8})

    with ThreadPoolExecutor() as pool:
        first = pool.submit(twin.charge, key)
        eventually(lambda: twin.rows(f"/fault-hits?fault_id={fault}"), "the first is under way")
        second = twin.charge(key)

    assert first.result().status == 200
    assert second.status == 409
    assert second.error["code"] == "idempotency_key_in_use"
    assert second.error["type"] == "invalid_request_error"
    assert second.error["message"] == (
        "There is currently another in-progress request using this Idempotent Key (that probably "
        "means you submitted twice, and the other request is still going through): "
        f"{key}. Please try again later."
    )
    assert "Stripe-Should-Retry" not in second.headers


def test_a_thousand_parallel_requests_with_one_key_execute_once(twin: TwinProcess) -> None:
    key = new_key()

    with ThreadPoolExecutor(max_workers=40) as pool:
        answers = list(pool.map(lambda _: twin.charge(key), range(1000)))

    bodies = {answer.body for answer in answers if answer.status == 200}
    assert {answer.status for answer in answers} <= {200, 409}
    assert len(bodies) == 1
    assert [row["kind"] for row in twin.rows(f"/executions?key={key}")] == ["charge"]
    assert len(twin.rows(f"/requests?key={key}")) == 1000


def test_a_decline_is_saved_and_replayed(twin: TwinProcess) -> None:
    key = new_key()
    first = twin.charge(key, payment_method="pm_card_visa_chargeDeclined")

    second = twin.charge(key, payment_method="pm_card_visa_chargeDeclined")

    assert (first.status, second.status) == (402, 402)
    assert second.body == first.body
    assert [row["kind"] for row in twin.rows(f"/executions?key={key}")] == ["decline"]


def test_a_refused_parameter_leaves_the_key_free(twin: TwinProcess) -> None:
    key = new_key()

    refused = twin.charge(key, no_such_parameter="x")
    accepted = twin.charge(key)

    assert refused.status == 400
    assert refused.error["code"] == "parameter_unknown"
    assert accepted.status == 200
    assert "Idempotent-Replayed" not in accepted.headers


def test_a_get_ignores_the_key(twin: TwinProcess) -> None:
    client = twin.sdk()
    key = new_key()
    made = client.v1.payment_intents.create(
        {"amount": 700, "currency": "usd"}, {"idempotency_key": key}
    )

    seen = client.v1.payment_intents.retrieve(made.id, {}, {"idempotency_key": key})

    assert seen.id == made.id
    assert seen.last_response is not None
    assert "Idempotency-Key" not in seen.last_response.headers


def test_a_post_without_a_key_executes_every_time(twin: TwinProcess) -> None:
    first, second = twin.charge(), twin.charge()

    assert first.json["id"] != second.json["id"]


def test_a_key_older_than_a_day_charges_again(twin: TwinProcess) -> None:
    key = new_key()
    first = twin.charge(key)

    twin.ask("POST", "/clock/advance", {"seconds": 24 * 3600 - 60})
    still_known = twin.charge(key)
    twin.ask("POST", "/clock/advance", {"seconds": 61})
    pruned = twin.charge(key)

    assert still_known.body == first.body
    assert pruned.status == 200
    assert pruned.json["id"] != first.json["id"]
    assert [row["kind"] for row in twin.rows(f"/executions?key={key}")] == ["charge", "charge"]


def test_old_keys_are_forgotten_for_good(twin: TwinProcess) -> None:
    for _ in range(20):
        twin.charge(new_key())

    twin.ask("POST", "/clock/advance", {"seconds": 24 * 3600 + 1})

    eventually(lambda: twin.ask("GET", "/status")["keys"] == 0, "no key is left")


def test_an_empty_or_overlong_key_is_refused(twin: TwinProcess) -> None:
    assert twin.charge("").status == 400
    assert twin.charge("k" * 256).status == 400
    assert twin.charge("k" * 255).status == 200
