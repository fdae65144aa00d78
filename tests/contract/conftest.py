"""The three HTTP services as real processes, for the contract suites.

What stands beside the integration tests (processes, twin, signing) is used from there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from edges_running import Edges, running_edges


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    with running_edges(tmp_path_factory.mktemp("edges")) as running:
        yield running
