"""What Stripe saw of a run's orders: each under one key, however often it was asked for."""

from __future__ import annotations

from collections import Counter, defaultdict

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.judge.readers.stripe import StripeReader, is_creation
from bookpayctl.load.history import read_history
from bookpayctl.report.verdict import Item
from runtime.domain.names import PaymentState


def one_key_each(context: DrillContext, *, sent_again: bool) -> list[Item]:
    """Items about the charges of this run's orders so far.

    Args:
        sent_again: whether some must have been asked for more than once, or the question is open.
    """
    events = _events_of_run(context)
    reader = StripeReader(context.environment)
    if not reader.is_twin:
        reason = "no requests are shown here: only the twin does"
        return [context.unanswered("one-key-each", "one key for each order", "the same", reason)]
    requests = [row for row in reader.requests(method="POST") if is_creation(row)]
    keys: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in requests:
        if row["event_id"] in events:
            keys[row["event_id"]][row["idempotency_key"]] += 1
    taken = Counter(row["event_id"] for row in reader.money_taken() if row["event_id"] in events)
    return [
        _keys_item(context, keys, sent_again=sent_again),
        _taken_item(context, taken),
        _failed_item(context, events),
    ]


def _keys_item(context: DrillContext, keys: dict[str, Counter[str]], *, sent_again: bool) -> Item:
    again = sum(each.total() > 1 for each in keys.values())
    several = {event: each for event, each in keys.items() if len(each) > 1}
    title, required = "every order has one key", "the same key whenever an order is asked for again"
    if sent_again and not again and not several:
        reason = f"none of {len(keys)} orders was asked for again, so nothing was tested"
        return context.unanswered("one-key-each", title, required, reason)
    return context.judged(
        "one-key-each",
        title,
        required,
        f"{len(keys)} orders, {again} asked for again, {len(several)} under another key",
        good=not several,
        examined=len(keys),
        evidence=[f"{event}: {', '.join(each)}" for event, each in list(several.items())[:5]],
    )


def _taken_item(context: DrillContext, taken: Counter[str]) -> Item:
    twice = [event for event, count in taken.items() if count > 1]
    return context.judged(
        "charged-once",
        "nobody was charged twice",
        "at most 1 charge at Stripe for each order",
        f"{len(taken)} charged, {len(twice)} more than once",
        good=not twice,
        examined=len(taken),
        evidence=[f"{event}: {taken[event]} charges" for event in twice[:5]],
    )


def _failed_item(context: DrillContext, events: frozenset[str]) -> Item:
    """No card of the load is declined: whatever is called failed was not answered by Stripe."""
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT event_id::text, cause FROM payment_events"
            " WHERE to_state = %s AND event_id::text = ANY (%s)",
            (PaymentState.FAILED.value, list(events)),
        ).fetchall()
    return context.judged(
        "never-failed",
        "nothing was called failed",
        "no step of a payment to failed: no answer is no refusal",
        f"{len(rows)} of {len(events)} payments",
        good=not rows,
        examined=len(events),
        evidence=[f"{event_id}: {cause}" for event_id, cause in rows[:5]],
    )


def _events_of_run(context: DrillContext) -> frozenset[str]:
    """The charge keys of the orders that this run's load has placed so far."""
    with context.run.history_path.open(encoding="utf-8") as lines:
        history = read_history(lines)
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT p.event_id::text FROM payments p JOIN orders o ON o.id = p.order_id"
            " WHERE o.tenant_id = %s AND starts_with(o.client_key, %s)",
            (history.tenant_id, history.key_prefix),
        ).fetchall()
    return frozenset(str(event_id) for (event_id,) in rows)
