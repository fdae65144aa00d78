"""The three HTTP services as real processes, for the contract suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.edges_running import Edges, running_edges


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    with running_edges(tmp_path_factory.mktemp("edges")) as running:
        yield running
