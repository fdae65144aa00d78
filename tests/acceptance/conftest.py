"""What several files of this folder stand on: one stack in a cluster, for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import TestCluster, cluster_at_hand, environment_in_cluster
from tests.support.command_line import CommandLine


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """A real cluster with the image in it; who asks for it is skipped where there is none."""
    with cluster_at_hand(tmp_path_factory.mktemp("image")) as found:
        yield found


@pytest.fixture(scope="session")
def in_cluster(
    cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    """A whole stack in it, brought up and taken down by the command line."""
    with environment_in_cluster(cluster, tmp_path_factory.mktemp("kube") / "home") as command:
        yield command
