"""Debezium marks no row, so an environment that it published for is never given to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.plan import UpOptions
from bookpayctl.targets.local.up import PublisherFixedError, _refuse_other_publisher
from tests.support.environments import environment_away


def published_by(root: Path, publisher: str) -> Environment:
    return replace(environment_away(root), settings={"publisher": publisher})


@pytest.mark.parametrize("publisher", ["poll", "wal"])
def test_nobody_else_publishes_where_debezium_has(publisher: str, tmp_path: Path) -> None:
    with pytest.raises(PublisherFixedError, match="would be sent again") as refused:
        _refuse_other_publisher(
            UpOptions("default", publisher=publisher), published_by(tmp_path, "debezium")
        )

    assert refused.value.code is ExitCode.USAGE


@pytest.mark.parametrize("before", ["poll", "wal", "debezium"])
def test_debezium_may_follow_our_publishers(before: str, tmp_path: Path) -> None:
    options = UpOptions("default", publisher="debezium")

    _refuse_other_publisher(options, published_by(tmp_path, before))
    _refuse_other_publisher(options, None)
