"""The twin against an independent model of keys and PaymentIntents, in sequences nobody chose.

The model knows nothing of the twin's code: a key is a first path, first parameters and a first
answer; a PaymentIntent is a status and how often its money was taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from stripe_twin_harness import Answer, TwinProcess, new_key

DAY = 24 * 3600
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
class Key:
    path: str
    parameters: dict[str, str]
    answer: Answer
    used_at: float


@dataclass
class Intent:
    status: str
    taken: int = 0
    methods: list[str] = field(default_factory=list)


class TwinModel(RuleBasedStateMachine):
    """Requests at random; each answer is predicted before it is seen."""

    twin: TwinProcess
    intents_made = Bundle("intents_made")
    keys_used = Bundle("keys_used")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.keys: dict[str, Key] = {}
        self.intents: dict[str, Intent] = {}

    def _post(self, path: str, parameters: dict[str, str], key: str) -> tuple[Answer, bool]:
        """Send, and settle everything the key decides; whether the request was executed."""
        answer = self.twin.post(path, parameters, key)
        known = self.keys.get(key)
        if known is not None and self.now - known.used_at >= DAY:
            known = None
        if known is None:
            assert "Idempotent-Replayed" not in answer.headers
            self.keys[key] = Key(path, parameters, answer, self.now)
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

    @rule(target=intents_made, method=st.sampled_from(list(STATUS_AFTER)), amount=st.just(900))
    def charge_with_a_new_key(self, method: str, amount: int) -> str:
        parameters = {
            "amount": str(amount),
            "currency": "usd",
            "confirm": "true",
            "payment_method": method,
            "payment_method_types[]": "card",
        }
        answer, executed = self._post("/v1/payment_intents", parameters, new_key())
        assert executed
        assert answer.status == (402 if method == BAD else 200)
        made = answer.error["payment_intent"] if method == BAD else answer.json
        assert made["status"] == STATUS_AFTER[method]
        self.intents[made["id"]] = Intent(made["status"], int(method == GOOD))
        return str(made["id"])

    @rule(target=intents_made)
    def make_without_confirming(self) -> str:
        parameters = {"amount": "900", "currency": "usd", "payment_method_types[]": "card"}
        answer, _ = self._post("/v1/payment_intents", parameters, new_key())
        self.intents[answer.json["id"]] = Intent("requires_payment_method")
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
        intent.taken += int(method == GOOD)

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
        after = self.twin.ask(
            "POST", "/complete", {"payment_intent": intent_id, "succeed": succeed}
        )
        intent.status = "succeeded" if succeed else "requires_payment_method"
        intent.taken += int(succeed)
        assert after["status"] == intent.status

    @rule(key=keys_used)
    def replay(self, key: str) -> None:
        known = self.keys[key]
        if self.now - known.used_at < DAY:
            self._post(known.path, known.parameters, key)

    @rule(hours=st.sampled_from([1, 11, 23, 24, 25]))
    def let_time_pass(self, hours: int) -> None:
        self.twin.ask("POST", "/clock/advance", {"seconds": hours * 3600 + 60})
        self.now += hours * 3600 + 60

    @invariant()
    def intents_are_what_the_model_says(self) -> None:
        for intent_id, intent in list(self.intents.items())[-3:]:
            seen = self.twin.get(f"/v1/payment_intents/{intent_id}").json
            assert seen["status"] == intent.status
            assert seen["amount_received"] == (900 if intent.taken else 0)

    def teardown(self) -> None:
        for intent_id, intent in self.intents.items():
            rows = self.twin.rows(f"/executions?payment_intent={intent_id}&kind=charge")
            assert len(rows) == intent.taken <= 1


@pytest.fixture(scope="module")
def model(twin: TwinProcess) -> Iterator[type[TwinModel]]:
    TwinModel.twin = twin
    yield TwinModel
    del TwinModel.twin


def test_no_sequence_of_requests_surprises_the_model(model: type[TwinModel]) -> None:
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
