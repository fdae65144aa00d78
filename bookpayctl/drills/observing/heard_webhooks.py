"""What became of webhooks: in which order they came, and whether each had its effect.

`overtaken` and `regress` are pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from bookpayctl.clients.database import reading
from bookpayctl.clients.stripe_twin import TwinControl
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.drills.observing.struck_charges import StruckCharge
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import PaymentState

_RANK: Final = {
    PaymentState.SUCCEEDED: 1,
    PaymentState.FAILED: 1,
    PaymentState.REFUNDING: 2,
    PaymentState.REFUNDED: 3,
}
"""How far a payment has come; what is not here is before any end."""


@dataclass(frozen=True, slots=True)
class HeardWebhooks:
    """What our books say of the webhooks since a moment.

    Attributes:
        parked: how many wait for their payment now.
        quarantined: why each that was set aside was.
    """

    stored: int
    processed: int
    parked: int
    quarantined: tuple[str, ...]


def database_now(context: DrillContext) -> datetime:
    """Now, by the clock that rows are dated with."""
    with reading(context.environment.dsn) as conn:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise LookupError("the database does not tell the time")
    return datetime.fromisoformat(row[0].isoformat())


def heard_since(context: DrillContext, since: datetime) -> HeardWebhooks:
    """What our books say now.

    Raises:
        DatabaseError: the database did not answer.
    """
    with reading(context.environment.dsn) as conn:
        counts = conn.execute(
            "SELECT count(*), count(processed_at),"
            " (SELECT count(*) FROM webhook_parked WHERE parked_at >= %(since)s)"
            " FROM stripe_events WHERE received_at >= %(since)s",
            {"since": since},
        ).fetchone()
        rows = conn.execute(
            "SELECT reason FROM webhook_quarantine WHERE received_at >= %s", (since,)
        ).fetchall()
    stored, processed, parked = counts or (0, 0, 0)
    return HeardWebhooks(stored, processed, parked, tuple(str(row[0]) for row in rows))


def all_processed_item(context: DrillContext, since: datetime) -> Item:
    """Whether every webhook since a moment has had its effect, by the deadline."""
    waited = wait_until(
        lambda: heard_since(context, since),
        lambda heard: heard.processed == heard.stored,
        deadline_seconds=context.deadline_seconds,
    )
    heard = waited.value
    return context.judged(
        "webhooks-processed",
        "no webhook was dropped or set aside",
        f"each processed within {context.deadline_seconds:.0f} s, none in quarantine",
        f"{heard.processed} of {heard.stored} processed after {waited.seconds:.1f} s,"
        f" {len(heard.quarantined)} in quarantine",
        good=waited.reached and not heard.quarantined,
        examined=heard.stored,
        evidence=sorted(set(heard.quarantined)),
        fix="bookpayctl webhook quarantine list",
    )


def out_of_order_item(context: DrillContext) -> Item:
    """Whether webhooks overtook each other, by Stripe's own lists; else nothing was tested."""
    title, required = "webhooks came out of order", "at least 1 overtaken by a later one"
    url = context.environment.stripe_control_url
    events = list(StripeReader(context.environment).objects("events"))[::-1]
    deliveries = [] if url is None else TwinControl(url).rows("deliveries", outcome="delivered")
    late = overtaken(
        {str(event["id"]): payment_of(event) for event in events},
        [str(row["event_id"]) for row in deliveries],
    )
    if not late:
        return context.unanswered("out-of-order", title, required, "each came in its order")
    return context.judged(
        "out-of-order", title, required, f"{late} overtaken", good=True, examined=late
    )


def payment_of(event: Mapping[str, Any]) -> str:
    """The PaymentIntent that an event of Stripe's is about; empty for none."""
    shown = event["data"]["object"]
    return str(shown["id"] if shown["object"] == "payment_intent" else shown.get("payment_intent"))


def overtaken(payments: Mapping[str, str], delivered: Sequence[str]) -> int:
    """How many events were delivered after a later one of the same payment.

    Args:
        payments: event id -> payment, in the order in which the events happened.
        delivered: event ids in the order in which they arrived; the first arrival counts.
    """
    place = {event: number for number, event in enumerate(payments)}
    newest: dict[str, int] = {}
    late = 0
    for event in dict.fromkeys(delivered):
        if event not in place:
            continue
        payment = payments[event]
        late += place[event] < newest.get(payment, -1)
        newest[payment] = max(place[event], newest.get(payment, -1))
    return late


def regress(steps: Sequence[str]) -> str:
    """The first step of a payment back from an end that it had come to; empty without any."""
    for before, after in pairwise(steps):
        ranks = [_RANK.get(PaymentState(state), 0) for state in (before, after)]
        if ranks[1] < ranks[0] or (ranks[0] == ranks[1] == 1 and before != after):
            return f"{before} > {after}"
    return ""


def no_regress_item(context: DrillContext, charges: Sequence[StruckCharge]) -> Item:
    """Whether any payment went back from its end, or told two."""
    bad = [(one, regress(one.payment_steps)) for one in charges]
    bad = [(one, step) for one, step in bad if step or one.outcomes > 1]
    return context.judged(
        "no-regress",
        "no late news undid an end",
        "no step back from succeeded, failed, refunding or refunded; at most one outcome each",
        f"{len(charges) - len(bad)} of {len(charges)} without one",
        good=not bad,
        examined=len(charges),
        evidence=[f"{one.order_id}: {step or f'{one.outcomes} outcomes'}" for one, step in bad[:5]],
        fix="bookpayctl order trace ORDER",
    )
