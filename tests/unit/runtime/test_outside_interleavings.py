"""The shop, a colleague at the dashboard and a bank, racing for one payment's money, with a Stripe.

Stripe here keeps its word: it gives back at most what it holds, refuses while a dispute stands, and
what it tells was true once. News comes late, twice, in any order or never. Whatever happens, a
cancelled order's money is all back in the end, and no question is asked again that has its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.domain import outcome as o
from runtime.domain.names import PaymentIntentId
from runtime.domain.names import PaymentState as S
from runtime.domain.names import RefundState as R
from runtime.domain.outside import (
    Ask,
    CancelOrder,
    Disputed,
    End,
    GivenBack,
    Hold,
    MovedMoney,
    OurRefund,
    Send,
    before_sending,
    newer_dispute,
    newer_refund,
    next_move,
)
from runtime.domain.refund import (
    CHARGE_DISPUTED,
    MORE_THAN_LEFT,
    Refund,
    RefundAbsent,
    RefundAnswered,
    RefundClaimed,
    RefundEvent,
    RefundSeen,
    RefundUnneeded,
    next_refund,
)

TAKEN = 10
PI = PaymentIntentId("pi_1")
T0 = datetime(2026, 3, 1, tzinfo=UTC)
STANDS = ("needs_response", "lost")


@dataclass
class AtStripe:
    """A refund as Stripe has it; `n` is our refund's, None for somebody else's."""

    amount: int
    status: str
    n: int | None = None


@dataclass
class OurRow:
    """A refunds row of ours."""

    amount: int
    refund: Refund
    asked_at: int


class Money(RuleBasedStateMachine):
    """One payment, its refunds here and there, and one dispute."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0
        self.refunds: dict[str, AtStripe] = {}
        self.dispute: str | None = None
        self.news: list[tuple[str, str, int]] = []
        self.state = S.SUCCEEDED
        self.cancelled = False
        self.known: dict[str, tuple[int, str, int]] = {}
        self.known_dispute: tuple[str, int, int] | None = None
        self.rows: list[OurRow] = []
        self.refused_in_a_row = 0

    # --- Stripe ---

    @property
    def held(self) -> int:
        gone = ("failed", "canceled")
        return TAKEN - sum(r.amount for r in self.refunds.values() if r.status not in gone)

    def tell(self, named: str, status: str) -> None:
        self.clock += 1
        self.refused_in_a_row = 0
        self.news.append((named, status, self.clock))

    def refund_at_stripe(self, amount: int, status: str, n: int | None) -> str:
        named = f"re_{len(self.refunds)}"
        self.refunds[named] = AtStripe(amount, status, n)
        self.tell(named, status)
        return named

    # --- others ---

    @precondition(lambda self: self.held > 0 and self.dispute not in STANDS)
    @rule(part=st.integers(1, TAKEN), status=st.sampled_from(["pending", "succeeded"]))
    def somebody_gives_back(self, part: int, status: str) -> None:
        self.refund_at_stripe(min(part, self.held), status, None)

    @rule(which=st.integers(0, 9), end=st.sampled_from(["succeeded", "failed", "canceled"]))
    def a_refund_of_others_goes_on(self, which: int, end: str) -> None:
        theirs = [name for name, entry in self.refunds.items() if entry.n is None]
        if not theirs:
            return
        named = theirs[which % len(theirs)]
        if newer_refund(self.refunds[named].status, end):
            self.refunds[named].status = end
            self.tell(named, end)

    @precondition(lambda self: self.dispute is None and self.held > 0)
    @rule()
    def a_bank_takes_the_money(self) -> None:
        self.dispute = "needs_response"
        self.tell("du", "needs_response")

    @precondition(lambda self: self.dispute == "needs_response")
    @rule(end=st.sampled_from(["won", "lost"]))
    def the_bank_decides(self, end: str) -> None:
        self.dispute = end
        self.tell("du", end)

    # --- what we hear ---

    @precondition(lambda self: self.news)
    @rule(which=st.integers(0, 99))
    def news_arrives(self, which: int) -> None:
        self.hear(*self.news[which % len(self.news)])

    def hear(self, named: str, status: str, at: int) -> None:
        if named == "du":
            self.hear_of_dispute(status, at)
            return
        entry = self.refunds[named]
        if entry.n is not None:
            row = self.rows[entry.n - 1]
            self.move(row, RefundSeen(named, status, None))
            return
        before = self.known.get(named)
        if before is None or newer_refund(before[1], status):
            self.clock += 1
            self.known[named] = (entry.amount, status, self.clock)
            self.settle_up()

    def hear_of_dispute(self, status: str, at: int) -> None:
        known = self.known_dispute
        if known is None or newer_dispute(known[0], _time(known[1]), status, _time(at)):
            self.clock += 1
            self.known_dispute = (status, at, self.clock)
            self.settle_up()

    # --- what we do ---

    @property
    def moved(self) -> MovedMoney:
        asked_at = max((row.asked_at for row in self.rows), default=0)
        disputes: tuple[Disputed, ...] = ()
        if self.known_dispute is not None:
            status, _, heard_at = self.known_dispute
            ended = status in ("won", "lost") and heard_at > asked_at
            disputes = (Disputed("du", TAKEN, status, ended),)
        return MovedMoney(
            TAKEN,
            tuple(
                GivenBack(
                    *(name, amount, status),
                    back_since_asked=status in ("failed", "canceled") and heard_at > asked_at,
                )
                for name, (amount, status, heard_at) in self.known.items()
            ),
            disputes,
            tuple(
                OurRefund(n, row.amount, row.refund.state, row.refund.failure_code)
                for n, row in enumerate(self.rows, 1)
            ),
        )

    def settle_up(self) -> None:
        match next_move(self.state, self.moved):
            case CancelOrder():
                self.cancelled = True
                self.state = S.REFUNDING
                self.settle_up()
            case Ask(n, amount):
                assert n == len(self.rows) + 1
                self.clock += 1
                self.rows.append(OurRow(amount, Refund(R.PENDING), self.clock))
            case End():
                assert self.state is S.REFUNDING
                self.state = S.REFUNDED
            case None:
                pass

    def move(self, row: OurRow, event: RefundEvent) -> None:
        before, row.refund = row.refund, next_refund(row.refund, event)
        if row.refund.state is before.state:
            return
        if row.refund.state is R.SUCCEEDED and self.state is S.REFUNDING:
            self.state = S.REFUNDED
        if row.refund.state in (R.SUCCEEDED, R.FAILED):
            self.settle_up()

    @precondition(lambda self: self.state is S.SUCCEEDED)
    @rule()
    def the_customer_cancels(self) -> None:
        self.cancelled = True
        self.state = S.REFUNDING
        self.settle_up()

    @precondition(lambda self: self.rows)
    @rule(heard=st.booleans())
    def a_worker_sends(self, heard: bool) -> None:
        self.send(heard=heard)

    def send(self, *, heard: bool = True) -> bool:
        """Send the last refund if it is due; returns whether anything came of it."""
        n, row = len(self.rows), self.rows[-1]
        claimed = next_refund(row.refund, RefundClaimed(1.0))
        if claimed.state is not R.SENDING:
            return False
        if not row.refund.key.maybe_executed:
            match before_sending(self.moved, n):
                case Send(amount):
                    row.amount = amount
                case Hold.DISPUTED:
                    return False
                case Hold.NOTHING_OWED:
                    self.move(row, RefundUnneeded())
                    return True
        row.refund = claimed
        outcome, named = self.post(n, row.amount)
        if not heard:
            outcome, named = o.Unknown("no answer"), None
        if isinstance(outcome, o.Parked):
            self.refused_in_a_row += 1
            # Without anything new at Stripe the same question has the same answer.
            assert self.refused_in_a_row <= 2, (self.moved, self.refunds, self.dispute)
        self.move(row, RefundAnswered(outcome, named))
        return True

    def post(self, n: int, amount: int) -> tuple[o.Outcome, str | None]:
        for named, entry in self.refunds.items():
            if entry.n == n:
                return o.Settled(PI), named
        if self.dispute in STANDS or amount > self.held:
            code = CHARGE_DISPUTED if self.dispute in STANDS else MORE_THAN_LEFT
            return o.Parked(code), None
        return o.Settled(PI), self.refund_at_stripe(amount, "succeeded", n)

    @rule()
    def the_reconciler_looks(self) -> None:
        self.look()

    def look(self) -> None:
        for named, entry in [*self.refunds.items()]:
            if entry.n is None:
                self.hear(named, entry.status, self.clock)
        if self.dispute is not None:
            self.hear_of_dispute(self.dispute, self.clock + 1)
        for n, row in enumerate([*self.rows], 1):
            if row.refund.state is not R.UNKNOWN:
                continue
            ours = [name for name, entry in self.refunds.items() if entry.n == n]
            if ours:
                self.move(row, RefundSeen(ours[0], self.refunds[ours[0]].status, None))
            elif row.refund.key.needs_reconcile:
                self.move(row, RefundAbsent(deadline_passed=True, key_age_seconds=1.0))

    # --- what must hold ---

    @invariant()
    def nobody_gives_back_more_than_was_taken(self) -> None:
        assert self.held >= 0

    @invariant()
    def one_refund_of_ours_at_a_time(self) -> None:
        assert sum(refund.is_open for refund in self.moved.ours) <= 1

    def teardown(self) -> None:
        """Everybody comes to an end: then the money of a cancelled order is all back."""
        if self.dispute == "needs_response":
            self.the_bank_decides("won")
        for named, entry in [*self.refunds.items()]:
            if entry.status == "pending":
                entry.status = "succeeded"
                self.tell(named, "succeeded")
        for _ in range(20):
            self.look()
            while self.rows and self.send():
                pass
        self.look()
        if not self.cancelled:
            assert self.held > 0 or not self.known
            return
        assert self.state is S.REFUNDED, (self.moved, self.state)
        assert self.dispute == "lost" or self.held == 0, (self.moved, self.refunds)


def _time(tick: int) -> datetime:
    return T0 + timedelta(seconds=tick)


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
