"""Refunds that a fault of Stripe struck: what our rows and Stripe's ledger say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.verdict import Item
from bookpayctl.targets.environment import Environment
from runtime.domain.names import PaymentState

REFUND_PATH = "/v1/refunds"


@dataclass(frozen=True, slots=True)
class StruckRefund:
    """One payment that goes back.

    Attributes:
        keys: of every refund that we ask for.
        steps: the states that the payment came to, oldest first.
        given_back: how often Stripe gave its money back.
        asked: how many requests bore its keys.
    """

    order_id: str
    keys: frozenset[str]
    state: str
    steps: tuple[str, ...]
    given_back: int
    asked: int


def read_refunds(environment: Environment, order_ids: Collection[str]) -> list[StruckRefund]:
    """The refunds of these orders as they are now; one without a refund has no key.

    Raises:
        DatabaseError, StripeReadError: a ledger could not be read.
    """
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT p.order_id, p.payment_intent_id, p.state,"
            " ARRAY(SELECT idempotency_key FROM refunds r WHERE r.event_id = p.event_id),"
            " ARRAY(SELECT to_state FROM payment_events e WHERE e.event_id = p.event_id"
            "   AND e.kind <> 'refused' ORDER BY e.id)"
            " FROM payments p WHERE p.order_id = ANY (%s) ORDER BY p.order_id",
            (list(order_ids),),
        ).fetchall()
    reader = StripeReader(environment)
    given = Counter(str(row["payment_intent"]) for row in reader.executions(kind="refund"))
    asked = Counter(key for key, _ in _requests(reader, environment))
    return [
        StruckRefund(
            order_id,
            frozenset(keys),
            state,
            tuple(steps),
            given[str(intent)],
            sum(asked[key] for key in keys),
        )
        for order_id, intent, state, keys, steps in rows
    ]


def foreign_refund_keys(environment: Environment) -> list[str]:
    """Keys of our requests for refunds that no row of ours has; `none` for one without a key.

    Raises:
        DatabaseError, StripeReadError: a ledger could not be read.
    """
    with reading(environment.dsn) as conn:
        ours = {str(row[0]) for row in conn.execute("SELECT idempotency_key FROM refunds")}
    found = _requests(StripeReader(environment), environment)
    return [f"{key or 'none'} ({request_id})" for key, request_id in found if key not in ours]


def _requests(reader: StripeReader, environment: Environment) -> list[tuple[str, str]]:
    """Key and request id of each request for a refund that bears our metadata."""
    return [
        (str(row["idempotency_key"] or ""), str(row["request_id"]))
        for row in reader.requests(path=REFUND_PATH, method="POST")
        if row["env"] == environment.name
    ]


def refund_items(
    context: DrillContext,
    refunds: Sequence[StruckRefund],
    foreign: Sequence[str],
    seconds: float,
) -> list[Item]:
    """Whether each went back once, under one key, and was never given up."""
    left = [one for one in refunds if one.state != PaymentState.REFUNDED]
    bad = [one for one in refunds if one.given_back != 1]
    again = [one for one in refunds if one.asked > 1]
    several = [one for one in refunds if len(one.keys) > 1]
    return [
        context.judged_each(
            "refunds-ended",
            "every refund that was struck ended",
            f"each refunded within {context.deadline_seconds:.0f} s of the end of the fault",
            left,
            lambda one: f"{one.order_id}: {' > '.join(one.steps)}",
            of=refunds,
            seen=f"after {seconds:.1f} s",
            fix="bookpayctl refund list",
        ),
        context.judged_each(
            "refunded-once",
            "the money went back once",
            "exactly 1 refund at Stripe for each payment",
            bad,
            lambda one: f"{one.order_id}: {one.given_back} refunds",
            of=refunds,
            seen="as required",
        ),
        context.judged(
            "same-key",
            "the same key was sent again",
            "no request for a refund under a key that we do not know, one key for each",
            f"{len(again)} of {len(refunds)} sent again, {len(foreign)} requests under others",
            good=not foreign and not several,
            examined=len(again),
            evidence=[*foreign[:5], *(f"{one.order_id}: {len(one.keys)} keys" for one in several)],
            fix="bookpayctl stripe requests --flag unknown_key",
        ),
    ]
