"""crash-mid-charge: the worker dies after Stripe took the money and before we wrote that down.

Question: is the customer charged once, and does the order become paid without anybody's help?
Expected: the restarted worker sends the same key again, Stripe replays its first answer, and the
order is paid; one charge, one key, at least two requests.

Webhooks are held back for as long as the fault is in place. Otherwise Stripe's webhook would often
settle the payment before the worker is back, and the retry under test would never happen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bookpayctl.clients import stripe_twin
from bookpayctl.drill import Drill, Stage
from bookpayctl.faults import undo
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import JOURNAL_FILE
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.local.supervise import endings as supervision
from runtime.domain.names import SCHEMA, OrderStatus, PaymentState

if TYPE_CHECKING:
    import psycopg

EXIT_STATUS: Final = 137

# Longer than a worker needs to be restarted and to take its leases back, shorter than the bound.
WEBHOOK_DELAY_SECONDS: Final = 20

RESPONSE_BEFORE_PERSIST: Final = "psp.response_before_persist"
BEFORE_PSP: Final = "worker.attempt_durable_before_psp"
BEFORE_COMMIT: Final = "worker.result_tx_before_commit"

POINTS: Final = {
    RESPONSE_BEFORE_PERSIST: "Stripe has answered, nothing is stored (F14)",
    BEFORE_COMMIT: "the result is written and not committed (F15)",
    BEFORE_PSP: "the attempt is on record, Stripe was not called (F12)",
}

# How often Stripe must have seen the key: before the crash and after it, or only after it.
REQUESTS_MIN: Final = {RESPONSE_BEFORE_PERSIST: 2, BEFORE_COMMIT: 2, BEFORE_PSP: 1}


@dataclass(frozen=True, slots=True)
class Hit:
    """The failpoint's own record: which process it ended, and in the middle of which order."""

    process: str
    pid: int
    order_id: str
    event_id: str
    hit_at: datetime


@dataclass(frozen=True, slots=True)
class Victim:
    """Where the order that was being charged stands."""

    payment_state: str
    order_status: str
    failed_steps: int
    outcomes: int


def promise(stage: Stage) -> None:
    """Everything that could be left behind, on disk, before anything is."""
    stage.run.promise_undo(undo.DISARM_FAILPOINTS, run_id=stage.run.run_id)
    if stage.environment.stripe_control_url is not None:
        keep = ",".join(stripe_twin.fault_ids(stage.environment))
        stage.run.promise_undo(undo.CLEAR_STRIPE_FAULTS, keep=keep)
    stage.run.journal("log_position", position=supervision.log_position(stage.environment))


def inject(stage: Stage) -> None:
    """Hold webhooks back, let what was under way end, then arm the failpoint for the next order.

    An attempt that was under way may have executed before the hold began; its webhook would settle
    the payment while the worker is down, and the retry under test would never happen.
    """
    import psycopg

    if stage.environment.stripe_control_url is not None:
        stripe_twin.add_fault(
            stage.environment,
            {
                "action": "webhook_delay",
                "match": {"event_type": "payment_intent.*"},
                "numbers": {"seconds": WEBHOOK_DELAY_SECONDS},
            },
        )
    with psycopg.connect(stage.environment.dsn, connect_timeout=5, autocommit=True) as conn:
        conn.execute("SET search_path = " + SCHEMA)
        _wait_for_earlier_attempts(conn, stage.request.deadline_seconds)
        conn.execute(
            "INSERT INTO failpoints (run_id, point, action, match_tenant_id, remaining)"
            " VALUES (%s, %s, 'exit', %s, 1)",
            (stage.run.run_id, stage.request.point, stage.environment.tenant_id),
        )


def _wait_for_earlier_attempts(conn: psycopg.Connection, deadline_seconds: float) -> None:
    """Wait until no attempt that began before now is still without its result."""
    row = conn.execute("SELECT environment_now()").fetchone()
    wait_until(
        lambda: conn.execute(
            "SELECT count(*) FROM payments WHERE state = %s AND last_attempted_at <= %s",
            (PaymentState.CHARGING.value, row[0] if row else None),
        ).fetchone(),
        lambda left: left == (0,),
        deadline_seconds=deadline_seconds,
        every_seconds=0.02,
    )


def look(stage: Stage) -> list[Item]:
    """Prove the crash, then watch the order it interrupted."""
    hit = _wait_for_hit(stage)
    if hit is None:
        return [
            unanswered(
                "D02",
                "the failpoint was hit",
                "1 hit on record, by a payments-worker, for this run",
                f"no hit of {stage.request.point} in {stage.request.deadline_seconds:.0f} s;"
                " the fault did not land, so nothing was tested",
            )
        ]
    stage.run.journal("hit", process=hit.process, pid=hit.pid, order_id=hit.order_id)
    stage.observe(f"{hit.process} (pid {hit.pid}) died charging {hit.order_id}")
    crash = _crash_item(stage, hit)
    victim = _watch(stage, hit)
    return [_hit_item(stage, hit), crash, *_stripe_items(stage, hit), *victim]


def _wait_for_hit(stage: Stage) -> Hit | None:
    waited = wait_until(
        lambda: _read_hit(stage),
        lambda hit: hit is not None,
        deadline_seconds=stage.request.deadline_seconds,
        every_seconds=0.05,
    )
    return waited.value


def _read_hit(stage: Stage) -> Hit | None:
    from bookpayctl.clients.database import reading

    with reading(stage.environment.dsn) as conn:
        row = conn.execute(
            "SELECT process, pid, order_id, event_id::text, hit_at FROM failpoint_hits"
            " WHERE run_id = %s AND point = %s ORDER BY id LIMIT 1",
            (stage.run.run_id, stage.request.point),
        ).fetchone()
    return None if row is None else Hit(*row)


def _hit_item(stage: Stage, hit: Hit) -> Item:
    return Item(
        id="D02",
        title="the failpoint was hit",
        verdict=Verdict.HOLDS,
        required="1 hit on record, by a payments-worker, for this run",
        observed=f"{stage.request.point} hit by {hit.process} (pid {hit.pid})",
        examined=1,
        evidence=(f"order {hit.order_id}, key {hit.event_id}, at {hit.hit_at.isoformat()}",),
    )


def _crash_item(stage: Stage, hit: Hit) -> Item:
    """The parent saw it die with 137 and started another one."""
    title = "the worker died and was restarted"
    required = f"supervisor saw exit status {EXIT_STATUS} and started a new process"
    since = _log_position(stage)
    waited = wait_until(
        lambda: supervision.happenings(stage.environment, since=since),
        lambda seen: bool(seen.endings_of(hit.process) and seen.spawned_of(hit.process)),
        deadline_seconds=stage.request.deadline_seconds,
    )
    endings = waited.value.endings_of(hit.process)
    spawned = [pid for pid in waited.value.spawned_of(hit.process) if pid != hit.pid]
    landed = any(ending.status == EXIT_STATUS for ending in endings) and bool(spawned)
    observed = f"endings {[e.status or e.signal for e in endings]}, new pids {spawned}"
    if not landed:
        return unanswered("D03", title, required, f"{hit.process}: {observed}; not proven")
    return Item(
        id="D03",
        title=title,
        verdict=Verdict.HOLDS,
        required=required,
        observed=f"{hit.process}: exit status {EXIT_STATUS}, pid {hit.pid} -> {spawned[-1]}",
        examined=len(endings),
    )


def _stripe_items(stage: Stage, hit: Hit) -> list[Item]:
    """One execution, one key, and the requests that prove the retry."""
    reader = StripeReader(stage.environment)
    if not reader.is_twin:
        reason = "only the twin shows its journal; a sandbox shows charges but no requests"
        return [unanswered("D04", "one charge, same key", "1 execution, >= 2 requests", reason)]
    needed = REQUESTS_MIN[stage.request.point]
    requests = wait_until(
        lambda: _requests_of(reader, hit.event_id),
        lambda rows: len(rows) >= needed,
        deadline_seconds=stage.request.deadline_seconds,
    ).value
    charges = reader.money_taken(event_id=hit.event_id)
    return [_retry_item(hit, requests, needed), _charge_item(hit, charges)]


def _requests_of(reader: StripeReader, key: str) -> list[dict[str, Any]]:
    return reader.requests(key=key, method="POST")


def _retry_item(hit: Hit, requests: list[dict[str, Any]], needed: int) -> Item:
    title = "the same key was sent again" if needed > 1 else "the key was sent after the restart"
    required = f"at least {needed} requests with key {hit.event_id}"
    seen = [
        f"{r['request_id']} {r['status']}{' replayed' if r['replayed'] else ''}" for r in requests
    ]
    if len(requests) < needed:
        reason = f"{len(requests)} requests: the payment was settled some other way"
        return unanswered("D04", title, required, reason)
    return Item(
        id="D04",
        title=title,
        verdict=Verdict.HOLDS,
        required=required,
        observed=f"{len(requests)} requests, {sum(bool(r['replayed']) for r in requests)} replayed",
        examined=len(requests),
        evidence=tuple(seen),
    )


def _charge_item(hit: Hit, charges: list[dict[str, Any]]) -> Item:
    return Item(
        id="D05",
        title="the customer was charged once",
        verdict=Verdict.HOLDS if len(charges) == 1 else Verdict.VIOLATED,
        required=f"exactly 1 charge at Stripe for order {hit.order_id}",
        observed=f"{len(charges)} charges",
        examined=1,
        evidence=tuple(f"{row['charge']} {row['amount']} {row['currency']}" for row in charges),
        fix="" if len(charges) == 1 else f"bookpayctl order trace {hit.order_id}",
    )


def _watch(stage: Stage, hit: Hit) -> list[Item]:
    """The order that was being charged ends paid, and was never called failed on the way."""
    waited = wait_until(
        lambda: _victim(stage, hit),
        lambda victim: victim.order_status == OrderStatus.PAID,
        deadline_seconds=stage.request.deadline_seconds,
    )
    victim = waited.value
    good = victim.failed_steps == 0 and victim.outcomes <= 1
    seconds = max(0.0, waited.seconds)
    return [
        Item(
            id="D06",
            title="the order was paid",
            verdict=Verdict.HOLDS if waited.reached else Verdict.VIOLATED,
            required=f"order {hit.order_id} paid within {stage.request.deadline_seconds:.0f} s",
            observed=f"order {victim.order_status}, payment {victim.payment_state},"
            f" {seconds:.1f} s after the worker was back",
            examined=1,
            fix="" if waited.reached else f"bookpayctl order trace {hit.order_id}",
        ),
        Item(
            id="D07",
            title="it was never called failed",
            verdict=Verdict.HOLDS if good else Verdict.VIOLATED,
            required="no step of its payment to failed, at most 1 outcome event",
            observed=f"{victim.failed_steps} steps to failed, {victim.outcomes} outcomes",
            examined=1,
        ),
    ]


def _victim(stage: Stage, hit: Hit) -> Victim:
    from bookpayctl.clients.database import reading

    with reading(stage.environment.dsn) as conn:
        row = conn.execute(
            "SELECT p.state, o.status,"
            " (SELECT count(*) FROM payment_events e WHERE e.event_id = p.event_id"
            "   AND e.to_state = %(failed)s),"
            " (SELECT count(*) FROM payment_events e WHERE e.event_id = p.event_id"
            "   AND e.kind = 'outcome')"
            " FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.event_id = %(event_id)s",
            {"failed": PaymentState.FAILED.value, "event_id": hit.event_id},
        ).fetchone()
    return Victim(*row) if row else Victim("missing", "missing", 0, 0)


def _log_position(stage: Stage) -> int:
    """Where supervisor's log ended before the fault, from the journal written by `promise`."""
    lines = (stage.run.path / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
    noted = [json.loads(line) for line in lines]
    return int(next(line["position"] for line in noted if line["event"] == "log_position"))


DRILL: Final = Drill(
    slug="crash-mid-charge",
    title="a worker dies in the middle of a charge",
    question="Stripe has taken the money and the worker dies before it is written down: is the"
    " customer charged once, and does the order become paid by itself?",
    expected="one charge, one key, the same key sent again after the restart, order paid",
    blast_radius="one payments-worker process, once; webhooks late by"
    f" {WEBHOOK_DELAY_SECONDS} s while it lasts; no order is lost",
    points=POINTS,
    promise=promise,
    inject=inject,
    look=look,
)
