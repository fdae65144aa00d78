"""The payments whose charges a fault of Stripe struck: what our histories and Stripe say of them.

Histories are judged, not last rows: a payment that was called failed for a moment is a violation,
however well it ended. `StruckCharge` and what is asked of it are pure; `read_struck` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.judge.readers.stripe import CREATE_PATH, StripeReader
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.environment import Environment
from runtime.domain.names import OrderStatus, PaymentState


@dataclass(frozen=True, slots=True)
class ChargePost:
    """One request for a charge as Stripe saw it; `status` None while its answer is not known."""

    key: str | None
    status: int | None


@dataclass(frozen=True, slots=True)
class StruckCharge:
    """One payment.

    Attributes:
        order_status: `missing` while there is no such payment.
        payment_steps: the states that it came to, oldest first; those of its order likewise.
        charges: how often its money was taken at Stripe.
        posts: every request that named it in its metadata, oldest first.
    """

    event_id: str
    order_id: str
    order_status: str
    payment_steps: tuple[str, ...]
    order_steps: tuple[str, ...]
    outcomes: int
    charges: int
    posts: tuple[ChargePost, ...]

    @property
    def problem(self) -> str:
        """What no payment of a good card may ever have been called; empty when it was not."""
        wrong = [
            *({PaymentState.FAILED, PaymentState.PARKED} & set(self.payment_steps)),
            *({OrderStatus.CANCELLED} & set(self.order_steps)),
        ]
        told = "" if self.outcomes <= 1 else f"{self.outcomes} outcomes"
        return ", ".join([*sorted(wrong), *filter(None, [told])])

    @property
    def is_closed(self) -> bool:
        """Paid, or nothing is owed: a cancelled order whose money was taken has it given back."""
        if self.order_status == OrderStatus.CANCELLED:
            return self.charges == 0
        return self.order_status in (OrderStatus.PAID, OrderStatus.REFUNDED)

    @property
    def foreign_keys(self) -> tuple[str | None, ...]:
        """Keys of its requests that are not its own."""
        return tuple(post.key for post in self.posts if post.key != self.event_id)


def read_struck(environment: Environment, keys: Collection[str]) -> list[StruckCharge]:
    """The payments with these charge keys, as they are now.

    Raises:
        DatabaseError, StripeReadError: a ledger could not be read.
    """
    reader = StripeReader(environment)
    taken = Counter(str(row["event_id"]) for row in reader.money_taken())
    posts: dict[str, list[ChargePost]] = {key: [] for key in keys}
    for row in reader.requests(path=CREATE_PATH, method="POST"):
        for key in {row["event_id"], row["idempotency_key"]} & posts.keys():
            posts[key].append(ChargePost(row["idempotency_key"], row["status"]))
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT p.event_id::text, p.order_id, coalesce(o.status, 'missing'),"
            " ARRAY(SELECT to_state FROM payment_events e WHERE e.event_id = p.event_id"
            "   AND e.kind <> 'refused' ORDER BY e.id),"
            " ARRAY(SELECT to_state FROM order_events e WHERE e.order_id = p.order_id"
            "   ORDER BY e.id),"
            " (SELECT count(*) FROM payment_events e WHERE e.event_id = p.event_id"
            "   AND e.kind = 'outcome')"
            " FROM payments p LEFT JOIN orders o ON o.id = p.order_id"
            " WHERE p.event_id::text = ANY (%s)",
            (list(keys),),
        ).fetchall()
    found = {str(row[0]): row for row in rows}
    missing = ("", "missing", (), (), 0)
    return [
        StruckCharge(
            key,
            *_with_tuples(*(found[key][1:] if key in found else missing)),
            charges=taken[key],
            posts=tuple(posts[key]),
        )
        for key in sorted(keys)
    ]


def _with_tuples(
    order_id: str, status: str, steps: Iterable[str], order_steps: Iterable[str], outcomes: int
) -> tuple[str, str, tuple[str, ...], tuple[str, ...], int]:
    return order_id, status, tuple(steps), tuple(order_steps), outcomes


def wait_for_struck(
    context: DrillContext,
    keys: Collection[str],
    done: Callable[[Sequence[StruckCharge]], bool],
    *,
    seconds_max: float | None = None,
) -> Waited[list[StruckCharge]]:
    """Read them until all is done, for `seconds_max` or the drill's bound.

    Raises:
        DatabaseError, StripeReadError: a ledger could not be read.
    """
    return wait_until(
        lambda: read_struck(context.environment, keys),
        done,
        deadline_seconds=context.deadline_seconds if seconds_max is None else seconds_max,
        every_seconds=0.5,
    )


def ended(status: OrderStatus) -> Callable[[Sequence[StruckCharge]], bool]:
    """Asks whether each order has come to this end."""
    return lambda struck: all(one.order_status == status for one in struck)


def ended_item(
    context: DrillContext,
    struck: Sequence[StruckCharge],
    seconds: float,
    status: OrderStatus,
    *,
    seconds_max: float | None = None,
) -> Item:
    """Whether each came to its end by itself, so many seconds after the fault was over."""
    bound = context.deadline_seconds if seconds_max is None else seconds_max
    left = [one for one in struck if one.order_status != status]
    return context.judged_each(
        "struck-ended",
        f"every order that was struck became {status}",
        f"each {status} within {bound:.0f} s of the end of the fault",
        left,
        lambda one: f"{one.order_id}: {one.order_status}, {_steps(one)}",
        of=struck,
        seen=f"after {seconds:.1f} s",
        fix="bookpayctl order trace ORDER",
    )


def all_closed(charges: Iterable[StruckCharge]) -> bool:
    """Whether each order has come to an end, whichever."""
    return all(one.is_closed for one in charges)


def closed_item(context: DrillContext, charges: Sequence[StruckCharge], seconds: float) -> Item:
    """Whether each order came to an end by itself, so many seconds after the fault was over."""
    left = [one for one in charges if not one.is_closed]
    return context.judged_each(
        "orders-closed",
        "every order came to its end",
        f"paid, cancelled or refunded within {context.deadline_seconds:.0f} s",
        left,
        lambda one: f"{one.order_id}: {one.order_status}, {_steps(one)}",
        of=charges,
        seen=f"after {seconds:.1f} s",
        fix="bookpayctl order trace ORDER",
    )


def never_wrong_item(context: DrillContext, struck: Sequence[StruckCharge]) -> Item:
    """Whether none of them was ever called what it never was."""
    bad = [one for one in struck if one.problem]
    return context.judged_each(
        "never-wrong",
        "nobody was told that it failed",
        "no step to failed, parked or cancelled at any time, at most one outcome each",
        bad,
        lambda one: f"{one.order_id}: {one.problem}: {_steps(one)}",
        of=struck,
        seen="without one",
        fix="bookpayctl order trace ORDER",
    )


def waited_item(context: DrillContext, struck: Sequence[StruckCharge], state: PaymentState) -> Item:
    """Whether each was called open meanwhile, by the word for what was known."""
    bad = [one for one in struck if state not in one.payment_steps]
    return context.judged_each(
        f"called-{state}",
        f"each was called {state} meanwhile",
        f"a step to {state} in the history of each",
        bad,
        lambda one: f"{one.order_id}: {_steps(one)}",
        of=struck,
        seen="have one",
    )


def charged_item(context: DrillContext, struck: Sequence[StruckCharge], charges: int) -> Item:
    """Whether money was taken as often as it should have been, by Stripe's own ledger."""
    bad = [one for one in struck if one.charges != charges]
    return context.judged_each(
        f"charged-{'once' if charges else 'nobody'}",
        "the customers were charged once" if charges else "no customer was charged",
        f"{charges} charges at Stripe for each order that was struck",
        bad,
        lambda one: f"{one.order_id}: {one.charges} charges",
        of=struck,
        seen="as required",
        fix="bookpayctl stripe charges --event-id ID",
    )


def same_key_item(context: DrillContext, struck: Sequence[StruckCharge]) -> Item:
    """Whether every request of each bore its one key; where none was repeated nothing is shown."""
    title, required = "the same key was sent again", "no request of any under another key"
    repeated = [one for one in struck if len(one.posts) > 1]
    bad = [one for one in struck if one.foreign_keys]
    if not repeated and not bad:
        reason = f"none of {len(struck)} was sent again: all were settled some other way"
        return context.unanswered("same-key", title, required, reason)
    requests = sum(len(one.posts) for one in struck)
    return context.judged(
        "same-key",
        title,
        required,
        f"{len(repeated)} of {len(struck)} sent again, {requests} requests,"
        f" {len(struck)} keys" + (f", {len(bad)} with others" if bad else ""),
        good=not bad,
        examined=requests,
        evidence=[f"{one.order_id}: {', '.join(map(str, one.foreign_keys))}" for one in bad[:5]],
        fix="bookpayctl stripe requests --flag key_not_event_id",
    )


def _steps(one: StruckCharge) -> str:
    return " > ".join(one.payment_steps) or "no step"
