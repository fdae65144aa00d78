"""components/keda with the real KEDA: workers follow an honest backlog, to the partitions and back.

Stripe is made slow, so payments pile up in the ledger; the reconciler counts them, Prometheus reads
its count, and KEDA acts on that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import DEPLOYMENT, Kind
from runtime.domain.names import PARTITIONS
from tests.support import prometheus
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.operators import (
    KEDA,
    MONITORING,
    SPACE,
    asked_for,
    compose,
    condition,
    pods_of,
    stack,
    start,
    twin_within_reach,
    wait_for,
)
from tests.support.waiting import eventually

pytestmark = [asked_for, pytest.mark.acceptance]

SCALED_OBJECT: Final = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
QUERY: Final = 'max(sum by (pod) (payments_open{state=~"pending|charging"}))'

# Slower than two workers can pay for, faster than a charge is given up.
SLOW_MILLISECONDS: Final = 6_000
LEAST, MOST = 2, PARTITIONS

# KEDA asks every 15 s and so does the autoscaler; going down waits for two minutes of less work.
SCALED_SECONDS_MAX: Final = 150.0
BACK_SECONDS_MAX: Final = 300.0


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    start(cluster_variables, MONITORING, KEDA)
    folder = tmp_path_factory.mktemp("keda")
    overlay = compose(folder, "monitoring", "keda")
    with stack(cluster_variables, folder / "home", overlay) as command:
        yield command


def wanted_workers(api: Cluster) -> int:
    return int(api.get(DEPLOYMENT, "payments-worker", SPACE)["spec"]["replicas"])


def backlog(api: Cluster) -> float:
    """What KEDA is told; 0 before the first scrape."""
    return max((float(sample["value"][1]) for sample in prometheus.ask(api, QUERY)), default=0.0)


def test_workers_follow_the_backlog_up_to_the_partitions_and_back(
    shop: CommandLine, api: Cluster
) -> None:
    wait_for(
        api, SCALED_OBJECT, "payments-worker", lambda found: condition(found, "Ready") == "True"
    )
    eventually(lambda: wanted_workers(api) == LEAST, "two workers at rest")
    eventually(lambda: prometheus.ask(api, QUERY), "it is counted", prometheus.SCRAPED_SECONDS_MAX)
    seen: set[int] = set()

    def grown() -> bool:
        seen.add(wanted_workers(api))
        return MOST in seen and len(pods_of(api, "payments-worker")) == MOST

    with twin_within_reach(shop) as twin:
        twin.ask("PUT", "/latency", {"milliseconds": SLOW_MILLISECONDS})
        try:
            # Eighteen hundred, of which twenty a second are paid for.
            load = ("load", "--rate", "120", "--duration", "15s", "--mix", "ok=1", "--settle", "1s")
            sent = shop.ask(*load)
            eventually(grown, lambda: f"{seen} workers, {backlog(api)} open", SCALED_SECONDS_MAX)
        finally:
            twin.ask("PUT", "/latency", {"milliseconds": 50})

    def back() -> bool:
        seen.add(wanted_workers(api))
        return wanted_workers(api) == LEAST

    eventually(back, lambda: f"{seen} workers, {backlog(api)} open", BACK_SECONDS_MAX)
    assert sent["exit"]["reason"] == "not_settled"
    assert seen == {LEAST, MOST}
    assert shop.ask("audit", "--age", "1s")["exit"]["code"] == 0


def test_the_number_of_workers_stays_the_autoscalers_when_up_is_repeated(
    shop: CommandLine, api: Cluster
) -> None:
    deployment = api.get(DEPLOYMENT, "payments-worker", SPACE)

    owners = {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
    }

    assert "bookpayctl" not in owners
    assert shop.ask("status")["exit"]["code"] == 0
