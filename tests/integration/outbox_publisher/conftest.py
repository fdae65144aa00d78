"""Publishers on the test's own database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.publishing import Publishers, publishers_on
from tests.support.stack import Database


@pytest.fixture
def publishers(database: Database, bootstrap_servers: str, tmp_path: Path) -> Iterator[Publishers]:
    """Starts publishers on the test's own database; stops them at the end."""
    with publishers_on(database, bootstrap_servers, tmp_path) as start:
        yield start
