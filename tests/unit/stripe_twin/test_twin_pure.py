"""The twin's pure parts: clock, ids, states, faults, keys, the table of test methods."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookpayctl.stripe_twin.clock import VirtualClock
from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.faults.rule import (
    FaultRefusedError,
    RequestSubject,
    WebhookSubject,
    parse_rule,
)
from bookpayctl.stripe_twin.idempotency import check_key, fingerprint
from bookpayctl.stripe_twin.ids import IdGenerator
from bookpayctl.stripe_twin.ledger.journal import flags_of
from bookpayctl.stripe_twin.payments.currencies import check_amount, check_currency
from bookpayctl.stripe_twin.payments.states import refusal
from bookpayctl.stripe_twin.payments.test_methods import (
    BANK_ACCOUNTS,
    CARD_NUMBERS,
    LEGACY_TOKENS,
    TEST_METHODS,
)
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent, new_payment_intent

EVENT_ID = "9b2d4c1e-8f6a-4e3b-9c7d-1a2b3c4d5e6f"


def test_the_clock_never_runs_backwards() -> None:
    wall = iter([100.0, 90.0, 101.0, 101.0])
    clock = VirtualClock(lambda: next(wall), offset_seconds=5.0)

    seen = [clock.now(), clock.now(), clock.now()]
    clock.advance(3600.0)

    assert seen == [105.0, 105.0, 106.0]
    assert clock.now() == 3706.0
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1.0)


def test_ids_are_unique_and_sort_by_age_even_if_time_stands_still() -> None:
    generator = IdGenerator(random.Random(1), lambda: 1_700_000_000.0)

    ids = [generator.new("pi") for _ in range(10_000)]

    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert all(len(made) == 27 and made.startswith("pi_3") for made in ids)


def intent(status: Any) -> PaymentIntent:
    made = new_payment_intent("pi_1", "s", amount=900, currency="usd", created=1)
    made["status"] = status
    return made


ALLOWED = {
    "requires_payment_method": {"confirm", "cancel", "update"},
    "requires_confirmation": {"confirm", "cancel", "update"},
    "requires_action": {"confirm", "cancel", "update"},
    "processing": {"cancel"},
    "requires_capture": {"cancel", "capture"},
    "succeeded": set(),
    "canceled": set(),
}


@pytest.mark.parametrize("status", ALLOWED)
@pytest.mark.parametrize("action", ["confirm", "capture", "cancel", "update"])
def test_a_status_allows_what_the_lifecycle_says(status: str, action: Any) -> None:
    refused = refusal(action, intent(status), method_kind="us_bank_account")

    assert (refused is None) == (action in ALLOWED[status])
    if refused is not None:
        assert (refused.status, refused.code) == (400, "payment_intent_unexpected_state")


def test_a_sepa_debit_cannot_be_called_back() -> None:
    assert refusal("cancel", intent("processing"), method_kind="sepa_debit") is not None


def test_the_words_of_a_refused_cancellation() -> None:
    refused = refusal("cancel", intent("succeeded"), method_kind=None)

    assert refused is not None
    assert refused.error["message"] == (
        "You cannot cancel this PaymentIntent because it has a status of succeeded. Only a "
        "PaymentIntent with one of the following statuses may be canceled: "
        "requires_payment_method, requires_capture, requires_confirmation, requires_action, "
        "processing."
    )


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (0, "parameter_invalid_integer"),
        (49, "amount_too_small"),
        (100_000_000, "amount_too_large"),
    ],
)
def test_amounts_have_bounds(amount: int, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_amount(amount, "usd")

    assert caught.value.code == code


def test_currencies_are_three_letters() -> None:
    assert check_currency("USD") == "usd"
    with pytest.raises(ApiError):
        check_currency("us1")


def test_every_alias_of_a_test_method_exists() -> None:
    for token in (*CARD_NUMBERS.values(), *BANK_ACCOUNTS.values(), *LEGACY_TOKENS.values()):
        assert token in TEST_METHODS


tree = st.recursive(
    st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
trees = st.dictionaries(st.text(max_size=5), tree, max_size=4)


@given(trees, st.randoms())
def test_a_fingerprint_ignores_order_and_nothing_else(form: Any, rng: random.Random) -> None:
    names = list(form)
    rng.shuffle(names)

    assert fingerprint({name: form[name] for name in names}) == fingerprint(form)
    assert fingerprint({**form, "added-parameter": "1"}) != fingerprint(form)


@pytest.mark.parametrize("key", ["", "  ", "k" * 256])
def test_a_key_has_between_1_and_255_characters(key: str) -> None:
    with pytest.raises(ApiError):
        check_key(key)


@pytest.mark.parametrize(
    ("key", "metadata", "flags"),
    [
        (None, {}, []),
        (None, {"env": "local", "event_id": EVENT_ID}, ["keyless"]),
        (EVENT_ID, {"env": "local", "event_id": EVENT_ID}, []),
        ("other", {}, ["unknown_key"]),
        (f"{EVENT_ID}:cancel", {}, []),
        # The SDK's own keys: sixteen random bytes, so neither version nor variant of a UUID.
        ("f47667ca-557d-049f-5f9d-67685d6d736d", {}, ["unknown_key"]),
        (
            "00000000-0000-4000-8000-000000000000",
            {"env": "local", "event_id": EVENT_ID},
            ["key_not_event_id"],
        ),
    ],
)
def test_what_an_auditor_should_look_at_is_flagged(
    key: str | None, metadata: dict[str, str], flags: list[str]
) -> None:
    assert flags_of("POST", "/v1/payment_intents", key, metadata) == flags


def test_a_match_names_what_it_means() -> None:
    rule = parse_rule(
        {
            "action": "reject",
            "match": {"path": "/v1/refunds*", "method": "POST", "metadata": {"a": "1"}},
        }
    )

    def matches(method: str, path: str, **metadata: str) -> bool:
        return rule.match.request(RequestSubject(method, path, None, None, metadata))

    assert matches("POST", "/v1/refunds/re_1", a="1", b="2")
    assert not matches("GET", "/v1/refunds/re_1", a="1")
    assert not matches("POST", "/v1/charges", a="1")
    assert not matches("POST", "/v1/refunds", a="2")


def test_a_webhook_match_takes_a_prefix_of_the_type() -> None:
    rule = parse_rule({"action": "webhook_drop", "match": {"event_type": "charge.*"}})

    assert rule.match.webhook(WebhookSubject("charge.failed", "we_1", {}))
    assert not rule.match.webhook(WebhookSubject("payment_intent.succeeded", "we_1", {}))


def test_chance_is_a_function_of_the_seed() -> None:
    first, second, other = (
        parse_rule({"action": "reject", "probability": 0.5, "seed": seed}) for seed in (1, 1, 2)
    )

    draws = [[rule.strikes(n) for n in range(100)] for rule in (first, second, other)]

    assert draws[0] == draws[1] != draws[2]
    assert 30 <= sum(draws[0]) <= 70


@given(
    st.dictionaries(
        st.sampled_from(["action", "match", "count", "probability", "seed", "numbers", "x"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers())),
    )
)
def test_any_definition_is_read_or_refused(definition: Any) -> None:
    refused = None
    try:
        parse_rule(definition)
    except FaultRefusedError as error:
        refused = error

    assert refused is None or str(refused)
