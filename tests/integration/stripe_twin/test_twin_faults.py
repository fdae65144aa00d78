"""Faults of requests: what the client sees, what was executed, and the proof that it landed."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.twin import CARD, TwinProcess, new_key
from tests.support.waiting import eventually


def charge_with_sdk(twin: TwinProcess, key: str) -> str:
    """What the SDK makes of one try: the status of the PaymentIntent, or its error."""
    try:
        made = twin.sdk().v1.payment_intents.create(
            {
                "amount": 2000,
                "currency": "usd",
                "confirm": True,
                "payment_method": "pm_card_visa",
                # The SDK's types name only its successor; the API takes both.
                "payment_method_types": ["card"],  # type: ignore[typeddict-unknown-key]
            },
            {"idempotency_key": key},
        )
    except stripe.StripeError as error:
        return f"{type(error).__name__} {error.http_status}"
    return made.status


def executions(twin: TwinProcess, key: str) -> list[str]:
    return [row["kind"] for row in twin.rows(f"/executions?key={key}")]


def request_rows(twin: TwinProcess, key: str) -> list[tuple[Any, ...]]:
    def known() -> list[dict[str, Any]] | None:
        rows = twin.rows(f"/requests?key={key}")
        return rows if all(row["delivered"] for row in rows) else None

    rows = eventually(known, "what became of the answers")
    return [(row["status"], row["executed"], row["replayed"], row["delivered"]) for row in rows]


EXECUTED_AND_LOST = [
    ("execute_then_cut", {}, "APIConnectionError None", "cut"),
    ("execute_then_cut", {"reset": 0}, "APIConnectionError None", "cut"),
    ("execute_then_timeout", {"seconds": 0.3}, "APIConnectionError None", "silence"),
    ("execute_then_truncate", {}, "APIConnectionError None", "truncated"),
    ("execute_then_html", {}, "APIError 200", "replaced"),
    ("execute_then_html", {"status": 502}, "APIError 502", "replaced"),
    ("execute_then_empty", {}, "APIError 200", "replaced"),
]


@pytest.mark.parametrize(("action", "numbers", "error", "outcome"), EXECUTED_AND_LOST)
def test_an_executed_charge_whose_answer_was_lost_is_replayed(
    twin: TwinProcess, action: str, numbers: dict[str, float], error: str, outcome: str
) -> None:
    key = new_key()
    fault = twin.fault(action, count=1, numbers=numbers, match={"key": key})

    lost = charge_with_sdk(twin, key)
    executed = executions(twin, key)
    found = charge_with_sdk(twin, key)

    assert lost == error
    assert executed == ["charge"]
    assert found == "succeeded"
    assert executions(twin, key) == ["charge"]
    assert request_rows(twin, key) == [
        (200, True, False, outcome),
        (200, False, True, "sent"),
    ]
    hits = twin.rows(f"/fault-hits?fault_id={fault}")
    assert [(hit["action"], hit["idempotency_key"]) for hit in hits] == [(action, key)]


@pytest.mark.parametrize(
    ("action", "ledger"), [("execute_then_500", ["charge"]), ("saved_500", [])]
)
def test_a_saved_500_is_replayed_whether_it_executed_or_not(
    twin: TwinProcess, action: str, ledger: list[str]
) -> None:
    key = new_key()
    twin.fault(action, count=1, match={"key": key})

    first, second = twin.charge(key), twin.charge(key)

    assert (first.status, second.status) == (500, 500)
    assert first.error["type"] == "api_error"
    assert second.body == first.body
    assert first.headers["Stripe-Should-Retry"] == "false"
    assert second.headers["Idempotent-Replayed"] == "true"
    assert executions(twin, key) == ledger


@pytest.mark.parametrize(
    ("action", "status", "code", "advice"),
    [
        ("reject", 503, None, None),
        ("rate_limit", 429, "rate_limit", None),
        ("lock_timeout", 429, "lock_timeout", "true"),
    ],
)
def test_a_request_refused_at_admission_leaves_the_key_free(
    twin: TwinProcess, action: str, status: int, code: str | None, advice: str | None
) -> None:
    key = new_key()
    twin.fault(action, count=1, match={"key": key})

    refused, accepted = twin.charge(key), twin.charge(key)

    assert refused.status == status
    assert refused.error.get("code") == code
    assert refused.headers.get("Stripe-Should-Retry") == advice
    assert accepted.status == 200
    assert "Idempotent-Replayed" not in accepted.headers
    assert executions(twin, key) == ["charge"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "invalid_request_error") for status in (400, 401, 403, 404, 409, 429)),
        *((status, "api_error") for status in (500, 503)),
    ],
)
def test_a_rejected_request_has_the_type_that_stripe_gives_its_status(
    twin: TwinProcess, status: int, kind: str
) -> None:
    key = new_key()
    twin.fault("reject", count=1, match={"key": key}, numbers={"status": status})

    refused = twin.charge(key)

    assert (refused.status, refused.error["type"]) == (status, kind)


@pytest.mark.parametrize("advice", ["true", "false", "absent"])
def test_the_retry_advice_of_a_fault_can_be_chosen(twin: TwinProcess, advice: str) -> None:
    key = new_key()
    twin.fault("rate_limit", count=1, match={"key": key}, should_retry=advice)

    refused = twin.charge(key)

    assert refused.headers.get("Stripe-Should-Retry", "absent") == advice


def test_a_fault_strikes_only_what_it_matches(twin: TwinProcess) -> None:
    event_id = new_key()
    twin.fault("reject", match={"metadata": {"event_id": event_id}, "path": "/v1/payment*"})

    spared = twin.charge(new_key(), **{"metadata[event_id]": "another"})
    struck = twin.charge(new_key(), **{"metadata[event_id]": event_id})
    elsewhere = twin.post("/v1/customers", {"metadata[event_id]": event_id})

    assert (spared.status, struck.status, elsewhere.status) == (200, 503, 200)


def test_a_fault_matches_the_payment_method(twin: TwinProcess) -> None:
    twin.fault("reject", match={"payment_method": "pm_card_amex", "method": "POST"})

    assert twin.charge(new_key()).status == 200
    assert twin.charge(new_key(), payment_method="pm_card_amex").status == 503


def test_a_probability_with_a_seed_strikes_the_same_requests(twin: TwinProcess) -> None:
    struck = []
    for _ in range(2):
        twin.fault("reject", probability=0.3, seed=7)
        struck.append([twin.charge(new_key()).status for _ in range(40)])
        twin.ask("DELETE", "/faults")

    assert struck[0] == struck[1]
    assert struck[0].count(503) == 9


@pytest.mark.parametrize("action", ["saved_500", "execute_then_500", "slow", "execute_then_cut"])
def test_a_fault_that_could_not_act_is_no_hit(twin: TwinProcess, action: str) -> None:
    key = new_key()
    fault = twin.fault(action, count=1, match={"path": "/v1/payment_intents"})

    refused = twin.charge(key, no_such_parameter="x")

    assert refused.status == 400
    assert twin.rows(f"/fault-hits?fault_id={fault}") == []
    assert [active["id"] for active in twin.rows("/faults")] == [fault]


def test_a_replay_is_not_executed_and_not_hit_by_an_execution_fault(twin: TwinProcess) -> None:
    key = new_key()
    twin.charge(key)
    fault = twin.fault("execute_then_500", count=1, match={"key": key})

    replayed = twin.charge(key)

    assert replayed.status == 200
    assert twin.rows(f"/fault-hits?fault_id={fault}") == []


def test_a_count_is_used_up(twin: TwinProcess) -> None:
    twin.fault("reject", count=2)

    assert [twin.charge(new_key()).status for _ in range(4)] == [503, 503, 200, 200]
    assert twin.rows("/faults") == []


@pytest.mark.parametrize(
    "definition",
    [
        {"action": "explode"},
        {"action": "reject", "count": 0},
        {"action": "reject", "probability": 1.5},
        {"action": "reject", "match": {"colour": "red"}},
        {"action": "reject", "numbers": {"seconds": 1}},
        {"action": "reject", "unknown": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    twin: TwinProcess, definition: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="error"):
        twin.ask("POST", "/faults", definition)


def test_latency_delays_every_answer(twin: TwinProcess) -> None:
    twin.ask("PUT", "/latency", {"milliseconds": 200})

    answer = twin.charge(new_key())
    twin.ask("PUT", "/latency", {"milliseconds": 0})

    rows = twin.rows(f"/requests?request_id={answer.headers['Request-Id']}")
    executed = twin.rows(f"/executions?payment_intent={answer.json['id']}")
    # The loop's timers count in milliseconds and may be one early.
    assert executed[0]["at"] - rows[0]["at"] >= 0.199


def test_suspicious_requests_are_flagged(twin: TwinProcess) -> None:
    event_id = new_key()
    ours = {**CARD, "metadata[env]": "local", "metadata[event_id]": event_id}

    twin.post("/v1/payment_intents", ours)
    twin.post("/v1/payment_intents", ours, "not-a-key-of-ours")
    twin.post("/v1/payment_intents", ours, new_key())
    twin.post("/v1/payment_intents", ours, event_id)

    flags = [row["flags"] for row in twin.rows(f"/requests?event_id={event_id}")]
    assert flags == [["keyless"], ["unknown_key", "key_not_event_id"], ["key_not_event_id"], []]
    assert len(twin.rows("/requests?flag=keyless")) == 1
