"""The twin against an independent model of keys and money, in sequences nobody chose.

The model knows nothing of the twin's code: a key is a first path, first parameters and a first
answer; a PaymentIntent is a status, what was taken and what was given back. Each sequence has an
account of its own, so that its lists and its balance are all its own doing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.http_client import Answer
from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually

DAY = 24 * 3600
AMOUNT = 900
# 2.9 % and 30, rounded up, of what is taken; by hand.
FEES = {900: 57, 400: 42, 1: 1}
GOOD, BAD, ASKS, SLOW = (
    "pm_card_visa",
    "pm_card_visa_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_twin_card_processing",
)
STATUS_AFTER = {
    GOOD: "succeeded",
    BAD: "requires_payment_method",
    ASKS: "requires_action",
    SLOW: "processing",
}
CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
CANCELLABLE = {*CONFIRMABLE, "processing", "requires_capture"}


@dataclass
class ModelKey:
    path: str
    parameters: dict[str, str]
    answer: Answer
    used_at: float


@dataclass
class ModelIntent:
    status: str
    manual: bool = False
    taken: int = 0
    given_back: int = 0
    refunds: int = 0
    held_since: float = 0.0


class TwinModel(RuleBasedStateMachine):
    """Requests at random; each answer is predicted before it is seen."""

    twin: TwinProcess
    intents_made = Bundle("intents_made")
    # Those whose card was good: otherwise few sequences would come to a refund.
    paid = Bundle("paid")
    keys_used = Bundle("keys_used")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.account = f"acct_{uuid.uuid4().hex}"
        self.twin.connect(self.account)
        self.keys: dict[str, ModelKey] = {}
        self.intents: dict[str, ModelIntent] = {}

    def _get(self, path: str, **fields: Any) -> Any:
        return self.twin.get(path, account=self.account, **fields).json

    def _post(self, path: str, parameters: dict[str, str], key: str) -> tuple[Answer, bool]:
        """Send, and settle everything the key decides; whether the request was executed."""
        answer = self.twin.post(path, parameters, key, headers={"Stripe-Account": self.account})
        known = self.keys.get(key)
        if known is not None and self.now - known.used_at >= DAY:
            known = None
        if known is None:
            assert "Idempotent-Replayed" not in answer.headers
            self.keys[key] = ModelKey(path, parameters, answer, self.now)
            return answer, True
        if known.path != path:
            assert (answer.status, answer.error["type"]) == (400, "idempotency_error")
            assert "same endpoint" in answer.error["message"]
        elif known.parameters != parameters:
            assert (answer.status, answer.error["type"]) == (400, "idempotency_error")
            assert "same parameters" in answer.error["message"]
        else:
            assert answer.headers["Idempotent-Replayed"] == "true"
            assert answer.headers["Original-Request"] == known.answer.headers["Request-Id"]
            assert (answer.status, answer.body) == (known.answer.status, known.answer.body)
        return answer, False

    def _succeed(self, intent: ModelIntent) -> None:
        """A good card was asked: the money is taken, or held."""
        if intent.manual:
            intent.status, intent.held_since = "requires_capture", self.now
        else:
            intent.status, intent.taken = "succeeded", AMOUNT

    @rule(targets=(intents_made, paid), manual=st.booleans())
    def pay(self, manual: bool) -> str:
        return self._charge(GOOD, manual)

    @rule(
        target=intents_made,
        method=st.sampled_from([BAD, ASKS, SLOW]),
        manual=st.booleans(),
    )
    def try_to_pay(self, method: str, manual: bool) -> str:
        return self._charge(method, manual)

    def _charge(self, method: str, manual: bool) -> str:
        parameters = {
            "amount": str(AMOUNT),
            "currency": "usd",
            "confirm": "true",
            "payment_method": method,
            "payment_method_types[]": "card",
            "capture_method": "manual" if manual else "automatic",
        }
        answer, executed = self._post("/v1/payment_intents", parameters, new_key())
        assert executed
        assert answer.status == (402 if method == BAD else 200)
        made = answer.error["payment_intent"] if method == BAD else answer.json
        intent = ModelIntent(STATUS_AFTER[method], manual)
        if method == GOOD:
            self._succeed(intent)
        assert made["status"] == intent.status
        self.intents[made["id"]] = intent
        return str(made["id"])

    @rule(target=intents_made)
    def make_without_confirming(self) -> str:
        parameters = {"amount": str(AMOUNT), "currency": "usd", "payment_method_types[]": "card"}
        answer, _ = self._post("/v1/payment_intents", parameters, new_key())
        self.intents[answer.json["id"]] = ModelIntent("requires_payment_method")
        return str(answer.json["id"])

    @rule(
        target=keys_used,
        intent_id=intents_made,
        method=st.sampled_from(list(STATUS_AFTER)),
    )
    def confirm(self, intent_id: str, method: str) -> str:
        key = new_key()
        self._confirm(intent_id, method, key)
        return key

    @rule(key=keys_used, intent_id=intents_made, method=st.sampled_from([GOOD, BAD]))
    def confirm_with_a_used_key(self, key: str, intent_id: str, method: str) -> None:
        self._confirm(intent_id, method, key)

    def _confirm(self, intent_id: str, method: str, key: str) -> None:
        path = f"/v1/payment_intents/{intent_id}/confirm"
        answer, executed = self._post(path, {"payment_method": method}, key)
        if not executed:
            return
        intent = self.intents[intent_id]
        if intent.status not in CONFIRMABLE:
            assert answer.error["code"] == "payment_intent_unexpected_state"
            assert answer.error["payment_intent"]["status"] == intent.status
            return
        assert answer.status == (402 if method == BAD else 200)
        intent.status = STATUS_AFTER[method]
        if method == GOOD:
            self._succeed(intent)

    @rule(
        target=keys_used,
        intent_id=paid | intents_made,
        amount=st.sampled_from(["", "400", "901"]),
    )
    def capture(self, intent_id: str, amount: str) -> str:
        key = new_key()
        parameters = {"amount_to_capture": amount} if amount else {}
        path = f"/v1/payment_intents/{intent_id}/capture"
        answer, _ = self._post(path, parameters, key)
        intent = self.intents[intent_id]
        if intent.status != "requires_capture":
            assert answer.error["code"] == "payment_intent_unexpected_state"
        elif amount == "901":
            assert answer.error["code"] == "amount_too_large"
        else:
            intent.status, intent.taken = "succeeded", int(amount or AMOUNT)
            assert answer.json["amount_received"] == intent.taken
        return key

    @rule(
        target=keys_used,
        intent_id=paid | intents_made,
        amount=st.sampled_from(["", "1", "500", "901"]),
    )
    def refund(self, intent_id: str, amount: str) -> str:
        key = new_key()
        self._refund(intent_id, amount, key)
        return key

    @rule(key=keys_used, intent_id=paid, amount=st.sampled_from(["", "1"]))
    def refund_with_a_used_key(self, key: str, intent_id: str, amount: str) -> None:
        self._refund(intent_id, amount, key)

    def _refund(self, intent_id: str, amount: str, key: str) -> None:
        parameters = {"payment_intent": intent_id} | ({"amount": amount} if amount else {})
        answer, executed = self._post("/v1/refunds", parameters, key)
        if not executed:
            return
        intent = self.intents[intent_id]
        left = intent.taken - intent.given_back
        if not intent.taken:
            assert answer.status == 400
            assert "does not have a successful charge" in answer.error["message"]
        elif left == 0:
            assert answer.error["code"] == "charge_already_refunded"
        elif int(amount or left) > left:
            assert (answer.status, answer.error["param"]) == (400, "amount")
        else:
            assert answer.json["amount"] == int(amount or left)
            intent.given_back += answer.json["amount"]
            intent.refunds += 1

    @rule(target=keys_used, intent_id=intents_made)
    def cancel(self, intent_id: str) -> str:
        key = new_key()
        answer, _ = self._post(f"/v1/payment_intents/{intent_id}/cancel", {}, key)
        intent = self.intents[intent_id]
        if intent.status in CANCELLABLE:
            assert answer.json["status"] == "canceled"
            intent.status = "canceled"
        else:
            assert answer.error["code"] == "payment_intent_unexpected_state"
        return key

    @rule(intent_id=intents_made, succeed=st.booleans())
    def complete(self, intent_id: str, succeed: bool) -> None:
        intent = self.intents[intent_id]
        if intent.status not in {"requires_action", "processing"}:
            return
        asked = {"payment_intent": intent_id, "succeed": succeed, "account": self.account}
        after = self.twin.ask("POST", "/complete", asked)
        intent.status = "requires_payment_method"
        if succeed:
            self._succeed(intent)
        assert after["status"] == intent.status

    @rule(key=keys_used)
    def replay(self, key: str) -> None:
        known = self.keys[key]
        if self.now - known.used_at < DAY:
            self._post(known.path, known.parameters, key)

    @rule(hours=st.sampled_from([1, 11, 23, 24, 25, 169]))
    def let_time_pass(self, hours: int) -> None:
        self.twin.ask("POST", "/clock/advance", {"seconds": hours * 3600 + 60})
        self.now += hours * 3600 + 60
        for intent_id, intent in self.intents.items():
            if intent.status == "requires_capture" and self.now - intent.held_since >= 7 * DAY:
                intent.status = "canceled"
                path = f"/v1/payment_intents/{intent_id}"
                eventually(
                    lambda path=path: self._get(path)["status"] == "canceled",  # type: ignore[misc]
                    "the authorisation lapses",
                )

    @invariant()
    def intents_are_what_the_model_says(self) -> None:
        for intent_id, intent in list(self.intents.items())[-3:]:
            seen = self._get(f"/v1/payment_intents/{intent_id}")
            assert seen["status"] == intent.status
            assert seen["amount_received"] == intent.taken
            held = AMOUNT if intent.status == "requires_capture" else 0
            assert seen["amount_capturable"] == held

    @precondition(lambda self: self.intents)
    @rule(limit=st.sampled_from([1, 3, 100]))
    def lists_show_everything_newest_first(self, limit: int) -> None:
        found: list[str] = []
        more: dict[str, object] = {}
        while True:
            page = self._get("/v1/payment_intents", limit=limit, **more)
            found += [intent["id"] for intent in page["data"]]
            if not page["has_more"]:
                break
            more = {"starting_after": found[-1]}
        assert found == list(self.intents)[::-1]

    @rule()
    def the_balance_is_what_was_taken_and_given_back(self) -> None:
        balance = self._get("/v1/balance")
        owned = sum(entry["amount"] for entry in balance["available"] + balance["pending"])
        assert owned == sum(
            intent.taken - FEES[intent.taken] - intent.given_back
            for intent in self.intents.values()
            if intent.taken
        )

    def teardown(self) -> None:
        self.the_balance_is_what_was_taken_and_given_back()
        for intent_id, intent in self.intents.items():
            rows = self.twin.rows(f"/executions?payment_intent={intent_id}")
            taken = [row["amount"] for row in rows if row["kind"] in {"charge", "capture"}]
            back = [row["amount"] for row in rows if row["kind"] == "refund"]
            assert taken == ([intent.taken] if intent.taken else [])
            assert (len(back), sum(back)) == (intent.refunds, intent.given_back)
            listed = self._get("/v1/refunds", payment_intent=intent_id, limit=100)["data"]
            assert len(listed) == intent.refunds


@pytest.fixture(scope="module")
def model(twin: TwinProcess) -> Iterator[type[TwinModel]]:
    TwinModel.twin = twin
    yield TwinModel
    del TwinModel.twin


def test_no_sequence_of_requests_surprises_the_model(model: type[TwinModel]) -> None:
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
