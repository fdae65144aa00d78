"""What a platform engineer runs every night: from nothing to a verdict and back to nothing, twice.

Opt-in, because each round brings a stack of its own up. The figures are printed, not judged.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.certified import certify, told
from tests.support.cluster import (
    UP_SECONDS_MAX,
    TestCluster,
    kill_half_way,
    left_in,
    run_long,
)
from tests.support.command_line import CommandLine

OPTED_IN = bool(os.environ.get("BOOKPAY_CERTIFY"))

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_CERTIFY=1: brings three stacks up"),
]


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
            done = run_long(command, *up)
        assert done.returncode == 0, done.stderr
        certify(command, cluster)
    finally:
        with told("down"):
            down = run_long(command, "down", "--timeout", "300s")

    assert down.returncode == 0, down.stderr
    assert left_in(cluster) == []
