"""The failover drill's decisions: where it fits, what proves a promotion, and when it was over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.clients.orders_api import Outcome
from bookpayctl.drills.observing.recovery import Recovery, recovery
from bookpayctl.drills.postgres_failover import why_nobody_takes_over
from bookpayctl.faults import undo
from bookpayctl.faults.failover import PrimaryDeleted, is_later
from bookpayctl.faults.fault import FaultError
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.load.history import TimedCall
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run, UndoEntry
from bookpayctl.targets.cluster_target import PostgresInstances
from bookpayctl.targets.kube.postgres_instances import instances_of
from tests.support.pretended_cluster import PretendedCluster, process

OF_THREE = PostgresInstances(
    keeper="CloudNativePG's cluster bookstore-platform",
    primary="bookstore-platform-1",
    timeline=1,
    instances=3,
    ready=3,
    synchronous=1,
)
BEGAN = 1_000.0


def cnpg_cluster(**status: Any) -> dict[str, Any]:
    """As CloudNativePG 1.30 tells of one."""
    return {
        "metadata": {"name": "bookstore-platform"},
        "spec": {
            "instances": 3,
            "postgresql": {"synchronous": {"method": "any", "number": 1}},
        },
        "status": {
            "currentPrimary": "bookstore-platform-1",
            "timelineID": 1,
            "readyInstances": 3,
            **status,
        },
    }


def call(sent_at: float, outcome: Outcome, seconds: float = 0.1) -> TimedCall:
    status = 201 if outcome is Outcome.OK else 503
    return TimedCall("k", outcome, status, None, seconds, sent_at)


def test_the_status_of_a_cluster_tells_who_is_primary_and_how_many_are_ready() -> None:
    assert instances_of(cnpg_cluster()) == OF_THREE
    moved = instances_of(cnpg_cluster(currentPrimary="bookstore-platform-2", timelineID=2))
    assert moved == replace(OF_THREE, primary="bookstore-platform-2", timeline=2)


def test_a_cluster_that_is_new_has_no_primary_and_none_that_is_ready() -> None:
    new = {"metadata": {"name": "db"}, "spec": {"instances": 1}}

    found = instances_of(new)

    assert (found.primary, found.timeline, found.ready, found.synchronous) == ("", None, 0, 0)


@pytest.mark.parametrize(
    ("instances", "why"),
    [
        (None, "no operator keeps PostgreSQL here"),
        (replace(OF_THREE, instances=1, ready=1), "has 1 instance, so nobody would take over"),
        (OF_THREE, None),
        # Whether the others are ready is the steady state's to say.
        (replace(OF_THREE, ready=1), None),
    ],
)
def test_the_drill_is_refused_where_nobody_would_take_over(
    instances: PostgresInstances | None, why: str | None
) -> None:
    refused = why_nobody_takes_over(instances)

    assert refused is None if why is None else why in (refused or "")


@pytest.mark.parametrize(
    ("before", "after", "promoted"),
    [(1, 2, True), (1, 1, False), (2, 1, False), (None, 2, False), (1, None, False)],
)
def test_only_a_later_timeline_that_was_told_both_times_is_a_promotion(
    before: int | None, after: int | None, promoted: bool
) -> None:
    assert is_later(after, before) is promoted


@pytest.fixture
def cluster(tmp_path: Path) -> PretendedCluster:
    names = [f"bookstore-platform-{n}" for n in (1, 2, 3)]
    found = PretendedCluster(tmp_path, [process(name, "postgres") for name in names], ["one"])
    found.instances = OF_THREE
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return directory.begin(tmp_path / "runs", "postgres-failover")


def deletion(cluster: PretendedCluster, run: Run) -> PrimaryDeleted:
    return PrimaryDeleted(
        cluster.target, run, prefix="postgres-failover", grace_seconds=0, seconds_max=0.0
    )


def test_what_is_waited_for_at_the_end_is_on_disk_before_anything_is_done(
    cluster: PretendedCluster, run: Run
) -> None:
    deletion(cluster, run).plan_undo()

    assert [entry.op for entry in directory.read_undo(run.path)] == [undo.POSTGRES_WHOLE]
    assert cluster.asked == []


def test_nothing_is_deleted_while_no_other_instance_is_ready(
    cluster: PretendedCluster, run: Run
) -> None:
    cluster.instances = replace(OF_THREE, ready=1)

    with pytest.raises(FaultError, match="no other instance that is ready"):
        deletion(cluster, run).inject()

    assert cluster.asked == []


def test_a_deletion_that_nobody_saw_is_unknown(cluster: PretendedCluster, run: Run) -> None:
    items = deletion(cluster, run).prove(deadline_seconds=0.0)

    assert [item.verdict for item in items] == [Verdict.UNKNOWN] * 2


def test_it_is_undone_when_as_many_are_ready_as_there_are_to_be(
    cluster: PretendedCluster,
) -> None:
    entry = UndoEntry(1, undo.POSTGRES_WHOLE, {}, done=False)

    undo.undo(cluster.target, entry)
    cluster.broken = {"postgres_instances": "the cluster does not answer"}

    with pytest.raises(UndoError, match="could not be asked: the cluster does not answer"):
        undo.undo(cluster.target, entry)


def test_recovery_ends_with_the_last_answer_that_was_no_acceptance() -> None:
    calls = [
        call(BEGAN + 0.1, Outcome.OK),
        call(BEGAN + 0.5, Outcome.UNKNOWN, seconds=5.0),
        call(BEGAN + 2.0, Outcome.UNKNOWN),
        call(BEGAN + 2.5, Outcome.OK),
        call(BEGAN + 6.0, Outcome.OK),
    ]

    assert recovery(calls, BEGAN) == Recovery(5.5, turned_away=2, accepted_after=2)


def test_orders_that_are_turned_away_to_the_end_have_no_recovery() -> None:
    calls = [call(BEGAN + 0.1, Outcome.OK), call(BEGAN + 1.0, Outcome.UNKNOWN)]

    assert recovery(calls, BEGAN).accepted_after == 0


def test_a_fault_that_no_client_noticed_was_over_at_once() -> None:
    calls = [call(BEGAN + 0.1, Outcome.OK, seconds=2.0), call(BEGAN + 3.0, Outcome.OK)]

    assert recovery(calls, BEGAN) == Recovery(0.0, turned_away=0, accepted_after=2)
