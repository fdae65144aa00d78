"""What must not move while something is replayed: money, calls and states of settled payments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.judge.readers.stripe import StripeReader, StripeReadError
from bookpayctl.replay.errors import ReplayError
from bookpayctl.targets.environment import Environment
from runtime.domain.names import FINAL_PAYMENT_STATES


@dataclass(frozen=True, slots=True)
class Counted:
    """Money and rows at one moment, for the keys settled before the replay.

    Attributes:
        states: a digest of the payments' states, and of their orders'.
        letters: customers' letters about those orders.
    """

    executions: int
    stripe_calls: int
    payments: int
    states: str
    letters: int = 0


def changes(before: Counted, after: Counted) -> list[str]:
    """Everything that must not have happened in between."""
    found = []
    charges = after.executions - before.executions
    if charges:
        found.append(f"{charges} new executions at Stripe for settled keys")
    calls = after.stripe_calls - before.stripe_calls
    if calls:
        found.append(f"{calls} new calls to Stripe in our journal for settled keys")
    if after.payments != before.payments:
        found.append(f"payments of settled keys: {before.payments} -> {after.payments}")
    if after.states != before.states:
        found.append("a settled payment or its order changed its state")
    if after.letters != before.letters:
        found.append(f"{after.letters - before.letters} new letters about settled orders")
    return found


def evidence_of(before: Counted, after: Counted) -> tuple[str, ...]:
    """Both counts, for a stranger to compare."""
    return (
        f"at Stripe: {before.executions} executions before, {after.executions} after",
        f"stripe_calls: {before.stripe_calls} before, {after.stripe_calls} after",
        f"payments: {before.payments} before, {after.payments} after",
    )


def settled_keys(environment: Environment) -> list[str]:
    """Keys whose payment is final."""
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT event_id::text FROM payments WHERE state = ANY(%s) ORDER BY event_id",
            ([state.value for state in FINAL_PAYMENT_STATES],),
        ).fetchall()
    return [key for (key,) in rows]


def count(environment: Environment, settled: Sequence[str]) -> Counted:
    """Count at Stripe, in our journal and in our tables.

    Raises:
        ReplayError: one of them did not say.
    """
    try:
        executed = StripeReader(environment).executed_keys()
    except StripeReadError as error:
        raise ReplayError(f"charges cannot be counted at Stripe: {error}") from error
    keys = set(settled)
    try:
        with reading(environment.dsn) as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM stripe_calls"
                "        WHERE event_id = ANY(%(keys)s::uuid[])),"
                " count(*), coalesce(md5(string_agg(p.event_id || p.state || coalesce(o.status,"
                " ''), ',' ORDER BY p.event_id)), ''),"
                " (SELECT count(*) FROM notifications AS n JOIN payments AS q"
                "  ON q.order_id = n.order_id WHERE q.event_id = ANY(%(keys)s::uuid[]))"
                " FROM payments AS p LEFT JOIN orders AS o ON o.id = p.order_id"
                " WHERE p.event_id = ANY(%(keys)s::uuid[])",
                {"keys": list(settled)},
            ).fetchone()
    except DatabaseError as error:
        raise ReplayError(f"the payments could not be counted: {str(error).strip()}") from error
    if row is None:
        raise ReplayError("the payments could not be counted")
    return Counted(sum(1 for key in executed if key in keys), row[0], row[1], row[2], row[3])
