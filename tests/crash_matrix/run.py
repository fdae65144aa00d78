"""One cell from arming to verdict.

The clock of the recovery starts with the fault's own record and stops when every order is final,
every event is published and read, and every letter is there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.faults.failpoint import Hit
from bookpayctl.load.history import HistoryFile
from bookpayctl.runs import directory
from bookpayctl.runs.waiting import wait_until
from runtime.faults.names import Failpoint
from tests.crash_matrix.cells import Cell
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.faults import (
    HIT_SECONDS_MAX,
    WEBHOOK_POINTS,
    CellFault,
    others,
    trigger_of,
)
from tests.crash_matrix.lag import Lags
from tests.crash_matrix.load import Customers, Flow
from tests.crash_matrix.verdict import Mailbox, judged, still_moving, wrong_ends, wrong_letters
from tests.support.waiting import slowness

RECOVERY_SECONDS_MAX: Final = 30.0
WEBHOOKS_SECONDS_MAX: Final = 60.0
AGREEMENT_SECONDS_MAX: Final = 60.0

# The others come while the fault is fresh, and never later than this.
HEAD_START_SECONDS: Final = 0.5
# A webhook is aimed at when no other is on its way.
HEAD_START_SECONDS_OF_DEBIT: Final = 10.0

# The client of these is left without an answer; its second try must find the first one's order.
UNANSWERED: Final = frozenset(
    {Failpoint.API_COMMIT_SENT_CONN_DROPPED, Failpoint.API_COMMITTED_BEFORE_RESPONSE}
)


@dataclass
class Result:
    """What a cell came to; without problems it passed."""

    cell: Cell
    problems: list[str] = field(default_factory=list)
    recovered_seconds: float | None = None
    cell_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.problems and self.recovered_seconds is not None


def run_cell(
    matrix: MatrixEnvironment,
    cell: Cell,
    history_dir: Path,
    *,
    bound_seconds: float = RECOVERY_SECONDS_MAX,
) -> Result:
    """Break the system in one way, let it heal, and judge it."""
    began = time.monotonic()
    run = directory.begin(matrix.environment.runs_dir, f"cell-{cell.id}")
    prefix = f"{run.run_id}-"
    path = history_dir / f"{run.run_id}.jsonl"
    history = HistoryFile(
        path, run_id=run.run_id, tenant_id=matrix.environment.tenant_id, key_prefix=prefix
    )
    fault = CellFault(matrix, cell, run)
    customers = Customers(matrix.environment, history, fault.before_cancel, fault.complete_debit)
    result = Result(cell)
    trigger, rest = trigger_of(cell, prefix), others(prefix)
    aims_late = cell.point in WEBHOOK_POINTS
    try:
        fault.arm()
        customers.send(trigger)
        fault.wait_for_hit(HEAD_START_SECONDS_OF_DEBIT if aims_late else HEAD_START_SECONDS)
        customers.send(*rest)
        hit = fault.wait_for_hit(HIT_SECONDS_MAX)
        if hit is None:
            customers.join()
            result.problems.append(f"no hit in {HIT_SECONDS_MAX:g} s: nothing was tested")
        else:
            hit = fault.strike(hit)
            _heal(matrix, result, hit, [trigger, *rest], customers, bound_seconds)
            _judge(matrix, result, fault, hit, [trigger, *rest], path)
    finally:
        history.close()
        result.problems += fault.undo()
    result.cell_seconds = time.monotonic() - began
    return result


def _heal(
    matrix: MatrixEnvironment,
    result: Result,
    hit: Hit,
    flows: list[Flow],
    customers: Customers,
    bound_seconds: float,
) -> None:
    """Wait for rest, at most until the bound has passed since the hit.

    The bound is that of a machine that does nothing else; beside others it is as much longer.
    """
    mailbox = Mailbox(matrix.environment.mail_dir)
    lags = Lags(matrix.environment.kafka_bootstrap_servers)

    def moving() -> list[str]:
        busy = [thread.name for thread in customers.threads if thread.is_alive()]
        return (
            [f"customers are at it: {busy}"] if busy else still_moving(matrix, mailbox, lags, flows)
        )

    left = bound_seconds * slowness() - (datetime.now(UTC) - hit.at).total_seconds()
    waited = wait_until(
        moving, lambda found: not found, deadline_seconds=max(left, 0.0), every_seconds=0.1
    )
    seconds = (datetime.now(UTC) - hit.at).total_seconds()
    if waited.reached:
        result.recovered_seconds = seconds
    else:
        result.problems.append(f"not at rest {seconds:.1f} s after the hit: {waited.value}")
    customers.join()
    wait_until(
        matrix.webhooks_owed,
        lambda owed: owed == 0,
        deadline_seconds=WEBHOOKS_SECONDS_MAX,
    )
    result.problems += [flow.problem for flow in flows if flow.problem]


def _judge(
    matrix: MatrixEnvironment,
    result: Result,
    fault: CellFault,
    hit: Hit,
    flows: list[Flow],
    history: Path,
) -> None:
    mailbox = Mailbox(matrix.environment.mail_dir)
    result.problems += fault.unproven(hit)
    trigger = flows[0]
    if result.cell.point in UNANSWERED:
        result.problems += _not_the_same_order(trigger)
    for flow in flows:
        result.problems += wrong_ends(matrix, flow) + wrong_letters(matrix, mailbox, flow)
    # What did not come to rest in half a minute is not waited for once more.
    seconds = AGREEMENT_SECONDS_MAX if result.recovered_seconds is not None else 1.0
    result.problems += judged(matrix, history, flows, deadline_seconds=seconds)


def _not_the_same_order(trigger: Flow) -> list[str]:
    """The first try was not answered with the order, the last one was, as a replay."""
    first, last = trigger.replies[0], trigger.replies[-1]
    if first.ok or not last.replayed:
        statuses = [(reply.status, reply.replayed) for reply in trigger.replies]
        return [f"{trigger.key}: no order without an answer, then a replay, but {statuses}"]
    return []
