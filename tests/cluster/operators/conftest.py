"""What tests with operators share: time, and the cluster's API."""

from __future__ import annotations

import pytest

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.connecting import open_cluster
from tests.support.cluster import TestCluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here takes less than a minute, and a stack that comes up is bounded by itself."""
    for item in items:
        if "tests/cluster/operators" in item.nodeid:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="module")
def api(cluster_variables: TestCluster) -> Cluster:
    del cluster_variables
    return open_cluster()
