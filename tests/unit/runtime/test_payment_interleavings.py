"""Worker, webhook, reconciler, customer and operator racing over one payment, with a Stripe behind.

Stripe here is four facts and keeps its word: a key executes once until it is pruned, what is told
about a PaymentIntent is true, and a request that left may land late. Whatever the interleaving, the
payment must end with the money where the order wants it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.domain import outcome as o
from runtime.domain.names import PaymentIntentId
from runtime.domain.names import PaymentState as S
from runtime.domain.payment import step
from runtime.domain.payment_events import (
    Answered,
    Claimed,
    Effect,
    Event,
    LeaseLost,
    OrderCancelled,
    Payment,
    Redriven,
    RefundSucceeded,
    Refused,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenSucceeded,
    Step,
)

PI = PaymentIntentId("pi_1")
HOUR = 3600.0

# What Stripe may make of the first post of a key.
FIRST_POST = ["succeeded", "failed", "processing", "rejected", "throttled", "halted", "saved_500"]


@dataclass
class Post:
    """A request of ours on its way, under one lease."""

    lease: int
    lands: bool = True


class Race(RuleBasedStateMachine):
    """One payment and everyone who may touch it."""

    def __init__(self) -> None:
        super().__init__()
        self.payment = Payment(S.PENDING)
        self.intent: str | None = None
        self.key_dead_end: str | None = None
        self.lease = 0
        self.lease_held = False
        self.posts: list[Post] = []
        self.answers: list[tuple[int, o.Outcome]] = []
        self.hours_since_first_attempt: float | None = None
        self.cancelled = False
        self.effects: list[Effect] = []
        self.refunds_made = 0

    def tell(self, event: Event) -> None:
        before = self.payment
        verdict = step(before, event)
        assert not isinstance(verdict, Refused), (before, event, verdict)
        if isinstance(verdict, Step):
            self.payment = verdict.payment
            self.effects.extend(verdict.effects)
            self.lease_held = self.payment.state is S.CHARGING

    def told(self, effect: Effect) -> int:
        return self.effects.count(effect)

    # --- the worker ---

    @precondition(lambda self: self.payment.state in (S.PENDING, S.UNKNOWN))
    @rule()
    def a_worker_claims_and_posts(self) -> None:
        age = self.hours_since_first_attempt
        self.tell(Claimed(None if age is None else age * HOUR))
        if self.payment.state is S.CHARGING:
            assert age is None or age <= 23, "a key Stripe may have pruned was posted"
            self.hours_since_first_attempt = age or 0.0
            self.lease += 1
            self.posts.append(Post(self.lease))

    @precondition(lambda self: self.posts)
    @rule(first=st.sampled_from(FIRST_POST), heard=st.booleans(), data=st.data())
    def a_post_lands(self, first: str, heard: bool, data: st.DataObject) -> None:
        post = self.posts.pop(data.draw(st.integers(0, len(self.posts) - 1)))
        if self.intent is None and self.key_dead_end is None:
            if first in ("succeeded", "failed", "processing"):
                self.intent = first
            elif first == "saved_500":
                self.key_dead_end = first
        answer = self.answer_to(first)
        self.answers.append((post.lease, answer if heard else o.Unknown("no answer")))

    def answer_to(self, first: str) -> o.Outcome:
        match self.intent:
            case "succeeded":
                return o.Settled(PI)
            case "failed":
                return o.Declined("card_declined", PI)
            case "processing":
                return o.Pending(PI, "processing")
            case _:
                return self.answer_without_an_intent(first)

    def answer_without_an_intent(self, first: str) -> o.Outcome:
        if self.key_dead_end:
            return o.Unknown("http 500", saved_failure=True)
        match first:
            case "rejected":
                return o.Parked("parameter_invalid")
            case "halted":
                return o.Halt("api_key_expired")
            case _:
                return o.Retry("rate_limit")

    @precondition(lambda self: self.posts)
    @rule(data=st.data())
    def a_post_never_lands(self, data: st.DataObject) -> None:
        post = self.posts.pop(data.draw(st.integers(0, len(self.posts) - 1)))
        self.answers.append((post.lease, o.Unknown("no answer")))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        lease, outcome = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if self.lease_held and lease == self.lease:
            self.tell(Answered(outcome))

    @precondition(lambda self: self.lease_held)
    @rule()
    def the_lease_runs_out(self) -> None:
        self.tell(LeaseLost())

    # --- webhook, reconciler, time ---

    @precondition(lambda self: self.intent is not None)
    @rule()
    def a_webhook_comes(self) -> None:
        self.tell(self.what_stripe_shows())

    @precondition(lambda self: self.is_for_the_reconciler())
    @rule()
    def the_reconciler_looks(self) -> None:
        self.tell(self.what_stripe_shows())

    def is_for_the_reconciler(self) -> bool:
        unanswered = (
            self.payment.state in (S.UNKNOWN, S.PARKED) and self.payment.key.needs_reconcile
        )
        return unanswered or self.payment.state is S.PROCESSING

    def what_stripe_shows(self) -> Event:
        match self.intent:
            case "succeeded":
                return SeenSucceeded(PI)
            case "failed":
                return SeenFailed(PI, "card_declined")
            case "processing":
                return SeenOpen(PI)
            case _:
                age = self.hours_since_first_attempt
                return SeenAbsent(not self.posts, None if age is None else age * HOUR)

    @precondition(lambda self: self.intent == "processing")
    @rule(end=st.sampled_from(["succeeded", "failed"]))
    def stripe_closes_the_intent(self, end: str) -> None:
        self.intent = end

    @precondition(lambda self: self.hours_since_first_attempt is not None)
    @rule(hours=st.sampled_from([1.0, 12.0, 24.0]))
    def time_passes(self, hours: float) -> None:
        # No request of ours stays on its way for an hour: every try has a time-out.
        self.answers += [(post.lease, o.Unknown("no answer")) for post in self.posts]
        self.posts.clear()
        self.hours_since_first_attempt = (self.hours_since_first_attempt or 0.0) + hours

    # --- the customer, the operator, the refund ---

    @rule()
    def the_order_is_cancelled(self) -> None:
        self.cancelled = True
        self.tell(OrderCancelled())

    @precondition(
        lambda self: (
            self.payment.state is S.PARKED
            and not self.payment.cancel_requested
            and not self.payment.key.maybe_executed
        )
    )
    @rule()
    def an_operator_redrives(self) -> None:
        self.tell(Redriven())

    @precondition(lambda self: self.payment.state is S.REFUNDING)
    @rule()
    def the_refund_succeeds(self) -> None:
        self.tell(RefundSucceeded())
        self.refunds_made += 1

    # --- what must hold ---

    @invariant()
    def there_is_at_most_one_outcome(self) -> None:
        assert self.told(Effect.EMIT_COMPLETED) + self.told(Effect.EMIT_FAILED) <= 1

    @invariant()
    def failed_means_that_stripe_holds_no_charge_and_none_can_come(self) -> None:
        if self.payment.state is S.FAILED:
            assert self.intent in (None, "failed")
            assert not self.posts or self.intent == "failed"

    @invariant()
    def success_is_only_what_stripe_holds(self) -> None:
        if self.payment.state in (S.SUCCEEDED, S.REFUNDING, S.REFUNDED):
            assert self.intent == "succeeded"

    @invariant()
    def money_is_asked_back_at_most_once(self) -> None:
        assert self.told(Effect.REQUEST_REFUND) <= 1

    def teardown(self) -> None:
        """Everything that is due happens; the payment ends, and the money is where it belongs."""
        for _ in range(200):
            if not self._advance():
                break
        else:
            raise AssertionError(f"never ends: {self.payment}")
        if self.payment.state is S.PARKED:
            assert not self.cancelled, "nobody will ever redrive a cancelled order"
            assert self.intent is None
            return
        assert self.told(Effect.EMIT_COMPLETED) + self.told(Effect.EMIT_FAILED) == 1
        if self.intent == "succeeded":
            assert self.payment.state is (S.REFUNDED if self.cancelled else S.SUCCEEDED)
        else:
            assert self.payment.state is S.FAILED

    def _advance(self) -> bool:
        """One due thing; False when nothing is left to do."""
        state = self.payment.state
        if self.posts:
            self.time_passes(0.0)
        elif self.answers:
            lease, outcome = self.answers.pop()
            if self.lease_held and lease == self.lease:
                self.tell(Answered(outcome))
        elif self.intent == "processing":
            self.intent = "succeeded"
        elif state is S.REFUNDING:
            self.the_refund_succeeds()
        elif state is S.CHARGING:
            self.the_lease_runs_out()
        elif self.is_for_the_reconciler():
            self.the_reconciler_looks()
            self.time_passes(1.0)
        elif state in (S.PENDING, S.UNKNOWN):
            self.a_worker_claims_and_posts()
            if self.posts:
                self._land_soundly(self.posts.pop())
        else:
            return False
        return True

    def _land_soundly(self, post: Post) -> None:
        """Once the storm is over, a first post is executed and its answer is heard."""
        if self.intent is None and self.key_dead_end is None:
            self.intent = "succeeded"
        self.answers.append((post.lease, self.answer_to("succeeded")))


Race.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestEveryInterleavingEndsWell = Race.TestCase
