"""Faults of a cluster: what is on disk before they act, what proves them, and their undo."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.drills.partition import LINKS
from bookpayctl.faults import undo
from bookpayctl.faults.node import NodeDrained
from bookpayctl.faults.partition import Partition
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run, UndoEntry
from bookpayctl.targets.platforms import cluster_of
from bookpayctl.targets.toxic import Toxicity
from tests.support.pretended_cluster import PretendedCluster, process

WORKERS = [process(f"worker-{n}", "payments-worker") for n in "ab"]
LETTERS = [process("notifier-a", "notifier")]
SERVICES = ("payments-worker", "notifier")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return directory.begin(tmp_path / "runs", "node-drain")


@pytest.fixture
def cluster(tmp_path: Path) -> PretendedCluster:
    found = PretendedCluster(tmp_path, [*WORKERS, *LETTERS], ["one"])
    found.budgets = {"payments-worker": 1, "notifier": 1}
    return found


def drain(cluster: PretendedCluster, run: Run) -> NodeDrained:
    return NodeDrained(
        cluster.target,
        run,
        prefix="node-drain",
        services=SERVICES,
        seconds=0.0,
        alone_seconds=0.0,
        observe=lambda _: None,
    )


def test_what_offers_what_only_a_cluster_can_is_one(cluster: PretendedCluster) -> None:
    assert cluster_of(cluster.target) is cluster.target


def test_the_node_is_on_disk_before_anything_is_done_to_it(
    cluster: PretendedCluster, run: Run
) -> None:
    drain(cluster, run).plan_undo()

    promised = {entry.op: entry.arguments for entry in directory.read_undo(run.path)}
    assert promised == {undo.PROCESSES_RUNNING: {}, undo.UNCORDON_NODE: {"node": "one"}}
    assert cluster.asked == []


def test_on_the_only_node_budgets_hold_the_rest_and_what_left_waits_for_it(
    cluster: PretendedCluster, run: Run
) -> None:
    fault = drain(cluster, run)
    fault.plan_undo()

    fault.inject()

    assert fault.is_alone
    assert cluster.asked[0] == ("cordon", "one")
    assert cluster.asked[-1] == ("uncordon", "one")
    assert set(fault.drained.evicted) == {"worker-a", "notifier-a"}
    assert fault.drained.held == {"worker-b": 1}
    assert set(fault.drained.waiting) == {"worker-a-next", "notifier-a-next"}
    assert fault.drained.lowest == {"payments-worker": 1, "notifier": 0}
    (item,) = fault.prove(deadline_seconds=0.0)
    assert item.verdict is Verdict.HOLDS
    assert item.examined == 2


def test_with_another_node_what_left_runs_there(tmp_path: Path, run: Run) -> None:
    cluster = PretendedCluster(tmp_path, WORKERS, ["one", "two"])
    cluster.budgets = {"payments-worker": 2}
    fault = drain(cluster, run)
    fault.plan_undo()

    fault.inject()

    assert not fault.is_alone
    assert fault.drained.left == ()
    assert fault.drained.waiting == ()


def test_an_eviction_whose_end_no_kubelet_told_of_proves_nothing(
    cluster: PretendedCluster, run: Run
) -> None:
    cluster.tells_ends = False
    fault = drain(cluster, run)
    fault.plan_undo()
    fault.inject()

    (item,) = fault.prove(deadline_seconds=0.0)

    assert item.verdict is Verdict.UNKNOWN
    assert "notifier-a" in item.reason


def test_a_drain_that_nobody_followed_proves_nothing(cluster: PretendedCluster, run: Run) -> None:
    cluster.budgets = {}
    fault = drain(cluster, run)
    fault.plan_undo()
    fault.inject()

    (item,) = fault.prove(deadline_seconds=0.0)

    assert item.verdict is Verdict.UNKNOWN


def test_a_partition_is_to_be_undone_before_a_proxy_is_there(
    cluster: PretendedCluster, run: Run
) -> None:
    fault = Partition(
        cluster.target,
        run,
        prefix="partition",
        link=LINKS["postgres"],
        how=Toxicity.HOLD,
        seconds=0.0,
        observe=lambda _: None,
    )

    fault.plan_undo()

    promised = [(entry.op, entry.arguments) for entry in directory.read_undo(run.path)]
    assert promised[-1] == (undo.RESTORE_SERVICE, {"service": "postgres"})
    assert cluster.asked == []


def test_a_partition_without_a_canary_is_not_proven(cluster: PretendedCluster, run: Run) -> None:
    fault = Partition(
        cluster.target,
        run,
        prefix="partition",
        link=LINKS["stripe-twin"],
        how=Toxicity.RESET,
        seconds=0.0,
        observe=lambda _: None,
    )

    items = fault.prove(deadline_seconds=0.0)

    assert {item.verdict for item in items} == {Verdict.UNKNOWN}
    assert len(items) == 2


# --- undo -----------------------------------------------------------------------------------


def entry(op: str, **arguments: str) -> UndoEntry:
    return UndoEntry(1, op, arguments, done=False)


def test_a_node_is_uncordoned_and_seen_to_be(cluster: PretendedCluster) -> None:
    cluster.closed = {"one"}

    undo.undo(cluster.target, entry(undo.UNCORDON_NODE, node="one"))

    assert cluster.closed == set()


def test_a_node_that_stays_cordoned_is_not_undone(cluster: PretendedCluster) -> None:
    cluster.closed, cluster.broken = {"one"}, {"uncordon": "not permitted: nodes is forbidden"}

    with pytest.raises(UndoError, match="node one may still take nothing new: not permitted"):
        undo.undo(cluster.target, entry(undo.UNCORDON_NODE, node="one"))


def test_a_service_is_restored_or_said_not_to_be(cluster: PretendedCluster) -> None:
    undo.undo(cluster.target, entry(undo.RESTORE_SERVICE, service="postgres"))
    cluster.broken = {"restore_service": "still there: postgres-diversion"}

    with pytest.raises(UndoError, match="service postgres may still be led elsewhere"):
        undo.undo(cluster.target, entry(undo.RESTORE_SERVICE, service="postgres"))

    assert cluster.asked == [("restore_service", "postgres")] * 2


@pytest.mark.parametrize(
    ("op", "argument"), [(undo.UNCORDON_NODE, "node"), (undo.RESTORE_SERVICE, "service")]
)
def test_what_was_done_in_a_cluster_is_not_undone_elsewhere(
    cluster: PretendedCluster, op: str, argument: str
) -> None:
    class Elsewhere:
        environment = cluster.environment

    with pytest.raises(UndoError, match="environment trial is in no cluster"):
        undo.undo(Elsewhere(), entry(op, **{argument: "one"}))  # type: ignore[arg-type] # as little
