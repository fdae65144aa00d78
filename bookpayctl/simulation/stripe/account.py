"""What Stripe does with a request: keys in five states, executions, and what it tells of them.

A key is new, in flight, saved, saved with a 5xx, or pruned, and then it executes anew. A decline
leaves a PaymentIntent and a failed charge behind. Lists show what was written a moment ago, search
only later.

Source:
    Stripe API reference, "Idempotent requests"; "How PaymentIntents work"; "Refunds".
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from bookpayctl.simulation.settings import KEY_LIFE_SECONDS, SEARCH_LAG_SECONDS
from bookpayctl.simulation.stripe.objects import (
    Intent,
    SimulatedCharge,
    StripeRefund,
    StripeRequest,
)
from runtime.domain.money import Money
from runtime.domain.stripe_event import Kind, StripeEvent
from runtime.domain.stripe_shape import Answer, Refusal, Shown

CREATE: Final = "/v1/payment_intents"
REFUND: Final = "/v1/refunds"

CARD: Final = "pm_card_visa"
DECLINED_CARD: Final = "pm_card_chargeDeclined"
SLOW_BANK: Final = "pm_usBankAccount_success"
ACTION_CARD: Final = "pm_card_authenticationRequired"
MISSING_METHOD: Final = "pm_missing"

REQUEST_ID: Final = "req_simulated"

_EVENT_OF_STATUS: Final = {
    "succeeded": ("payment_intent.succeeded", Kind.SUCCEEDED),
    "processing": ("payment_intent.processing", Kind.OPEN),
    "requires_action": ("payment_intent.requires_action", Kind.OPEN),
    "requires_payment_method": ("payment_intent.payment_failed", Kind.FAILED),
    "canceled": ("payment_intent.canceled", Kind.FAILED),
}


@dataclass(slots=True)
class KeyEntry:
    """A key that was seen: in flight until it has an answer; params tell a misuse."""

    path: str
    body: str
    created_at: float
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """A POST of ours: what its key protects, and how it is done."""

    key: str | None
    path: str
    body: str
    execute: Callable[[], Answer]


@dataclass(slots=True)
class Account:
    """One Stripe account.

    Attributes:
        clock: Stripe's, in seconds; drills move it together with the environment's.
        tell: is given every event, to be delivered or not.
        later: has something done after a while: a bank decides.
    """

    clock: Callable[[], float]
    rng: random.Random
    tell: Callable[[StripeEvent], None]
    later: Callable[[float, Callable[[], None]], None]
    count: Callable[[str], None]
    intents: dict[str, Intent] = field(default_factory=dict)
    of_payment: dict[str, list[Intent]] = field(default_factory=dict)
    refunds: dict[str, StripeRefund] = field(default_factory=dict)
    events: list[StripeEvent] = field(default_factory=list)
    requests: list[StripeRequest] = field(default_factory=list)
    keys: dict[str, KeyEntry] = field(default_factory=dict)
    _made: int = 0

    # --- keys -------------------------------------------------------------------------------

    def begin(self, posted: Posted) -> Answer | None:
        """Look at the key; None when the request is to be executed, and is in flight now."""
        if posted.key is None:
            return None
        entry = self.keys.get(posted.key)
        if entry is not None and entry.answer is not None and self._is_old(entry):
            self.count("a pruned key")
            entry = None
        if entry is None:
            self.keys[posted.key] = KeyEntry(posted.path, posted.body, self.clock())
            return None
        if entry.answer is None:
            self.count("a key in flight")
            return Refusal(409, REQUEST_ID, "idempotency_error", "idempotency_key_in_use")
        if (entry.path, entry.body) != (posted.path, posted.body):
            self.requests.append(StripeRequest(posted.key, posted.path, posted.body, False, None))
            return Refusal(400, REQUEST_ID, "idempotency_error")
        self.count("a replayed key")
        return _replayed(entry.answer)

    def finish(self, posted: Posted, *, fails: bool) -> Answer:
        """Execute a request in flight and save its answer under the key.

        Args:
            fails: answer 500, whether or not it was executed; that is saved, too.
        """
        if fails and self.rng.random() < 0.5:
            answer: Answer = Refusal(500, REQUEST_ID, "api_error")
            self.requests.append(StripeRequest(posted.key, posted.path, posted.body, False, None))
        else:
            shown = posted.execute()
            # A decline has executed, too: it leaves a PaymentIntent and a failed charge behind.
            made = _object_of(shown)
            self.requests.append(
                StripeRequest(posted.key, posted.path, posted.body, made is not None, made)
            )
            answer = Refusal(500, REQUEST_ID, "api_error") if fails else shown
        if posted.key is None:
            return answer
        # Not saved where Stripe found fault with the request before it began to execute it.
        if isinstance(answer, Refusal) and answer.http_status in (400, 404):
            del self.keys[posted.key]
        else:
            self.keys[posted.key].answer = answer
        return answer

    def _is_old(self, entry: KeyEntry) -> bool:
        return self.clock() - entry.created_at > KEY_LIFE_SECONDS

    # --- executions -------------------------------------------------------------------------

    def charge(
        self, money: Money, method: str | None, metadata: dict[str, str], key: str
    ) -> Answer:
        """Create and confirm a PaymentIntent."""
        if method == MISSING_METHOD:
            return Refusal(404, REQUEST_ID, "invalid_request_error", "resource_missing",
                           "payment_method")  # fmt: skip
        # As of its arrival: a drill's clock may be moved while it is executed.
        began = self.keys[key].created_at
        intent = Intent(self._id("pi_"), "succeeded", money, metadata, began, key)
        self.intents[intent.intent_id] = intent
        self.of_payment.setdefault(metadata["event_id"], []).append(intent)
        match method:
            case "pm_card_chargeDeclined":
                self._decline(intent)
                return Refusal(402, REQUEST_ID, "card_error", "card_declined",
                               payment_intent=intent.document())  # fmt: skip
            case "pm_usBankAccount_success":
                self._move(intent, "processing", key)
                self.later(self.rng.uniform(1.0, 40.0), lambda: self._bank_decides(intent))
            case "pm_card_authenticationRequired":
                self._move(intent, "requires_action", key)
                self.later(self.rng.uniform(0.5, 60.0), lambda: self._customer_acts(intent))
            case _:
                self._succeed(intent, key)
        return Shown(REQUEST_ID, intent.document())

    def refund(self, intent_id: str, amount: int, refund_id: str, key: str | None) -> Answer:
        """Give money back, at most what the charge holds."""
        intent = self.intents[intent_id]
        held = self.held(intent)
        if held <= 0:
            return Refusal(400, REQUEST_ID, "invalid_request_error", "charge_already_refunded")
        if amount > held:
            return Refusal(400, REQUEST_ID, "invalid_request_error", None, "amount")
        status = "succeeded" if self.rng.random() < 0.8 else "pending"
        made = StripeRefund(self._id("re_"), intent, status, amount, refund_id, self.clock(), key)
        self.refunds[made.stripe_refund_id] = made
        self._announce(made.event(self._id("evt_"), "refund.created", self.clock()))
        if status == "pending":
            self.later(self.rng.uniform(0.5, 40.0), lambda: self._refund_ends(made))
        return Shown(REQUEST_ID, made.document())

    def cancel(self, intent_id: str, key: str) -> Answer:
        """Cancel a PaymentIntent that has not moved money."""
        intent = self.intents[intent_id]
        if not intent.status.startswith("requires_"):
            return Refusal(400, REQUEST_ID, "invalid_request_error",
                           "payment_intent_unexpected_state")  # fmt: skip
        self._move(intent, "canceled", key)
        return Shown(REQUEST_ID, intent.document())

    # --- reads ------------------------------------------------------------------------------

    def listed(self, event_id: str, *, since: float, until: float, lists: bool) -> list[Intent]:
        """PaymentIntents of a payment in a creation window; search lags behind a list."""
        found = self.of_payment.get(event_id, ())
        seen_until = until if lists else min(until, self.clock() - SEARCH_LAG_SECONDS)
        return [replace(i) for i in found if since <= int(i.created_at) <= seen_until]

    def retrieved(self, intent_id: str) -> Intent:
        """A PaymentIntent as it is now; what becomes of it later does not change this answer."""
        return replace(self.intents[intent_id])

    def refunds_of(self, intent_id: str) -> list[StripeRefund]:
        """All refunds of a PaymentIntent as they are now."""
        return [replace(r) for r in self.refunds.values() if r.intent.intent_id == intent_id]

    def held(self, intent: Intent) -> int:
        """What of a PaymentIntent the shop holds."""
        taken = sum(c.amount for c in intent.charges if c.status == "succeeded")
        gone = sum(
            r.amount
            for r in self.refunds_of(intent.intent_id)
            if r.status in ("succeeded", "pending")
        )
        return taken - gone

    # --- what happens by itself ---------------------------------------------------------------

    def _bank_decides(self, intent: Intent) -> None:
        if intent.status == "processing":
            if self.rng.random() < 0.85:
                self._succeed(intent, intent.key)
            else:
                self._decline(intent)

    def _customer_acts(self, intent: Intent) -> None:
        if intent.status == "requires_action" and self.rng.random() < 0.6:
            # Confirmed in the browser, under a key of the browser's own.
            self._succeed(intent, f"browser-{intent.intent_id}")

    def _refund_ends(self, made: StripeRefund) -> None:
        made.key = None
        if self.rng.random() < 0.85:
            made.status = "succeeded"
            self._announce(made.event(self._id("evt_"), "refund.updated", self.clock()))
        else:
            made.status, made.failure_code = "failed", "lost_or_stolen_card"
            self._announce(made.event(self._id("evt_"), "refund.failed", self.clock()))

    def _succeed(self, intent: Intent, key: str | None) -> None:
        self._charge(intent, "succeeded")
        self._move(intent, "succeeded", key)

    def _decline(self, intent: Intent) -> None:
        self._charge(intent, "failed")
        intent.error_code = "card_declined"
        self._move(intent, "requires_payment_method", intent.key)

    def _charge(self, intent: Intent, status: str) -> None:
        made = SimulatedCharge(self._id("ch_"), status, intent.money.amount_cents, self.clock())
        intent.charges.append(made)

    def _move(self, intent: Intent, status: str, key: str | None) -> None:
        intent.status, intent.key = status, key
        event_type, kind = _EVENT_OF_STATUS[status]
        self._announce(intent.event(self._id("evt_"), event_type, kind, self.clock()))

    def _announce(self, event: StripeEvent) -> None:
        self.events.append(event)
        self.tell(event)

    def _id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made:06d}"


def _object_of(answer: Answer) -> str | None:
    if isinstance(answer, Shown):
        return str(answer.document["id"])
    if isinstance(answer, Refusal) and answer.payment_intent is not None:
        return str(answer.payment_intent["id"])
    return None


def _replayed(answer: Answer) -> Answer:
    match answer:
        case Shown():
            return Shown(answer.request_id, answer.document, True)
        case Refusal():
            return Refusal(answer.http_status, answer.request_id, answer.type, answer.code,
                           answer.param, answer.decline_code, answer.payment_intent,
                           answer.retry_after_seconds, True)  # fmt: skip
        case _:
            return answer
