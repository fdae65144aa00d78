"""The drills that only a cluster can run, in a real one: each lands, is proven, and is survived.

And whoever is killed in the middle of one leaves word of what is to be put back.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube import reservation
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine, verdicts

OPTED_IN = bool(os.environ.get("BOOKPAY_CLUSTER_DRILLS"))
SPACE = "bookstore-platform-payments"
DRILL_SECONDS_MAX = 900
LANDED_SECONDS_MAX = 240.0

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(DRILL_SECONDS_MAX)]

long = pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_CLUSTER_DRILLS=1: some minutes each")

ASKED_OF_STRIPE = frozenset({"one-key-each", "charged-once", "never-failed"})

# The drill, its proofs, and what it must have seen beside them.
CASES = [
    pytest.param(
        ("pod-delete", "--at", "payments-worker", "--duration", "12s"),
        {"pod-replaced", "orders-answered", "nobody-hung"},
        id="pod-delete",
    ),
    pytest.param(
        ("node-drain", "--duration", "25s"),
        {"node-drained", "orders-answered", "nobody-hung", "budgets-kept", "held-back"},
        id="node-drain",
    ),
    pytest.param(
        ("pod-delete", "--at", "orders-service", "--duration", "12s"),
        {"pod-replaced", "orders-answered", "nobody-hung"},
        id="pod-delete of who takes orders",
        marks=long,
    ),
    pytest.param(
        ("pod-ghost",),
        {
            *("ghost-beside-successor", "ghost-fenced", "same-key", "charged-once"),
            *("order-paid", "never-failed", "orders-answered", "nobody-hung"),
        },
        id="pod-ghost",
        marks=long,
    ),
    pytest.param(
        ("rollout",), {"rolled", "orders-answered", "nobody-hung"}, id="rollout", marks=long
    ),
    pytest.param(
        ("outage", "--at", "payments-worker"),
        {"part-away", "orders-answered", "nobody-hung", "logs-say-it-once"},
        id="outage of a service",
        marks=long,
    ),
    *(
        pytest.param(
            ("partition", "--at", point),
            {"old-connection-cut", "new-connection-cut", "orders-answered", "nobody-hung", *asked},
            id=f"partition of {point}",
            marks=long,
        )
        for point, asked in (
            ("payments-gateway", ASKED_OF_STRIPE),
            ("stripe-twin-reset", frozenset[str]()),
            ("postgres", ASKED_OF_STRIPE),
            ("postgres-reset", ASKED_OF_STRIPE),
        )
    ),
]


def holders(cluster: TestCluster) -> list[dict[str, Any]]:
    """The Lease of whoever is at work, or was killed at it a moment ago."""
    leases = json.loads(cluster.kubectl("get", "leases", "-n", SPACE, "-o", "json"))["items"]
    mine = [lease for lease in leases if lease["metadata"]["name"] == reservation.NAME]
    return [lease for lease in mine if not reservation.is_over(lease, datetime.now(UTC))]


@pytest.fixture(autouse=True)
def nobody_is_at_work(in_cluster: CommandLine, cluster: TestCluster) -> None:
    """A run that a test has killed stands in the way for as long as its Lease lasts."""
    assert in_cluster.root.is_dir()

    free = wait_until(
        lambda: holders(cluster),
        lambda held: not held,
        deadline_seconds=3.0 * reservation.LEASE_SECONDS,
    )
    assert free.reached, free.value


@pytest.mark.parametrize(("words", "seen"), CASES)
def test_a_drill_of_a_cluster_is_proven_and_survived(
    in_cluster: CommandLine, cluster: TestCluster, words: tuple[str, ...], seen: set[str]
) -> None:
    command = replace(in_cluster, seconds_max=DRILL_SECONDS_MAX)

    document = command.ask("drill", *words)

    assert document["exit"]["code"] == 0, unhappy(document)
    found = {name: verdict for name, verdict in verdicts(document).items() if "/" in name}
    own = {f"{words[0]}/{name}" for name in seen}
    usual = {
        f"{words[0]}/{name}" for name in ("steady-state", "orders-placed", "undone", "at-rest")
    }
    assert found == dict.fromkeys(own | usual, "holds")
    assert traces_of_drills(cluster) == []


def test_after_a_kill_in_the_middle_of_a_drain_recover_uncordons_the_node(
    in_cluster: CommandLine, cluster: TestCluster
) -> None:
    begun = in_cluster.begin("drill", "node-drain", "--duration", "60s")
    try:
        cordoned = wait_until(
            lambda: cordoned_nodes(cluster), bool, deadline_seconds=LANDED_SECONDS_MAX
        )
    finally:
        begun.kill()
        begun.communicate()
    refused = in_cluster.ask("check")["exit"]["code"]

    recovered = replace(in_cluster, seconds_max=DRILL_SECONDS_MAX).ask("recover")

    assert cordoned.reached
    assert refused == 6
    assert {entry["op"]: entry["result"] for entry in recovered["entries"]} == {
        "uncordon_node": "undone",
        "processes_running": "undone",
    }
    assert traces_of_drills(cluster) == []
    assert holders(cluster) == []
    assert in_cluster.ask("recover")["exit"] == {"code": 0, "reason": "nothing_to_recover"}


def test_a_killed_run_with_nothing_to_undo_stands_in_nobodys_way_who_sees_it_dead(
    in_cluster: CommandLine, cluster: TestCluster
) -> None:
    begun = in_cluster.begin("check")
    try:
        held = wait_until(lambda: holders(cluster), bool, deadline_seconds=LANDED_SECONDS_MAX)
    finally:
        begun.kill()
        begun.communicate()
    assert held.reached
    assert holders(cluster), "it has ended by itself, so nothing was asked"

    document = in_cluster.ask("check", "--only", "BP-C001")

    assert document["exit"]["code"] == 0, unhappy(document)


@long
def test_after_a_kill_in_the_middle_of_a_partition_recover_leads_the_service_back(
    in_cluster: CommandLine, cluster: TestCluster
) -> None:
    before = selector_of(cluster, "stripe-twin")
    begun = in_cluster.begin("drill", "partition", "--at", "stripe-twin", "--duration", "60s")
    try:
        led_away = wait_until(
            lambda: selector_of(cluster, "stripe-twin"),
            lambda selector: selector != before,
            deadline_seconds=LANDED_SECONDS_MAX,
        )
    finally:
        begun.kill()
        begun.communicate()

    recovered = replace(in_cluster, seconds_max=DRILL_SECONDS_MAX).ask("recover")

    assert led_away.reached
    assert {entry["result"] for entry in recovered["entries"]} == {"undone"}
    assert selector_of(cluster, "stripe-twin") == before
    assert traces_of_drills(cluster) == []


def unhappy(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What did not hold, for whoever reads that a drill failed."""
    quiet = ("holds", "vacuous", "skipped")
    return [item for item in document["items"] if item["verdict"] not in quiet]


def traces_of_drills(cluster: TestCluster) -> list[str]:
    """What a drill may leave behind, and must not."""
    kinds = "pods,services,networkpolicies"
    objects = cluster.kubectl(
        "get", kinds, "-n", SPACE, "-l", "bookpay.dev/diversion", "-o", "name"
    )
    return [*objects.split(), *cordoned_nodes(cluster)]


def cordoned_nodes(cluster: TestCluster) -> list[str]:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    return [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]


def selector_of(cluster: TestCluster, service: str) -> dict[str, str]:
    found = json.loads(cluster.kubectl("get", "service", service, "-n", SPACE, "-o", "json"))
    selector: dict[str, str] = found["spec"]["selector"]
    return selector
