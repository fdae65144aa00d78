"""What a platform engineer runs every night: from nothing to a verdict and back to nothing, twice.

Opt-in, because each round brings a stack of its own up. The figures are printed, not judged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cluster import (
    UP_SECONDS_MAX,
    TestCluster,
    kill_half_way,
    left_in,
)
from tests.support.command_line import CommandLine, verdicts
from tests.support.sabotage import sabotaged_gateway

OPTED_IN = bool(os.environ.get("BOOKPAY_CERTIFY"))

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_CERTIFY=1: brings three stacks up"),
]

ORDERS = 500
CHECKS = 6
LOAD = ("load", "--rate", "25", "--duration", "20s", "--mix", "ok=100", "--settle", "180s")


@pytest.mark.parametrize("before", ["nothing", "nothing again", "an up that was killed half-way"])
def test_from_a_clean_cluster_to_a_verdict_and_back(
    before: str, cluster: TestCluster, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path / "home", cluster.variables, "certified")
    command.home.mkdir()
    up = ("up", "--on", "kube", "--image", cluster.image, "--timeout", f"{UP_SECONDS_MAX}s")
    try:
        if "killed" in before:
            kill_half_way(cluster, command, up)
        with told("up"):
            done = command.run(*up)
        assert done.returncode == 0, done.stderr

        with told(f"{ORDERS} orders"):
            load = command.ask(*LOAD)
        with told("check"):
            checked = command.ask("check")
        with told("crash-mid-charge"):
            crash = command.ask("drill", "crash-mid-charge")
        with sabotaged_gateway(cluster), told("its control"):
            control = command.ask("drill", "crash-mid-charge", "--duration", "3s")
    finally:
        with told("down"):
            down = command.run("down", "--timeout", "300s")

    assert down.returncode == 0, down.stderr
    assert left_in(cluster) == []
    assert load["exit"]["code"] == 0
    assert load["orders_by_status"] == {"paid": ORDERS}, load
    assert [item["verdict"] for item in checked["items"]] == ["holds"] * CHECKS
    assert crash["verdict"] == "holds"
    assert control["exit"]["code"] == 1
    assert verdicts(control)["I10"] == "violated"


@contextmanager
def told(what: str) -> Iterator[None]:
    began_at = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began_at:.1f} s")  # noqa: T201 - figures for a reader
