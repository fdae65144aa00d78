"""A stack in the cluster that is known to be bad is found out: else a green one proves nothing.

Last of this folder: what it charges twice stays in the ledgers of the stack that all share.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine, verdicts
from tests.support.sabotage import sabotaged_gateway

DRILL_SECONDS_MAX = 900

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1200),
    # The same build is found out on this machine with every commit (test_negative_controls).
    pytest.mark.skipif(
        not os.environ.get("BOOKPAY_CLUSTER_DRILLS"), reason="set BOOKPAY_CLUSTER_DRILLS=1: minutes"
    ),
]


def test_a_gateway_that_makes_up_its_keys_charges_twice_and_the_drill_says_so(
    cluster: TestCluster, in_cluster: CommandLine
) -> None:
    with sabotaged_gateway(cluster):
        document = in_cluster.ask("drill", "crash-mid-charge", "--duration", "3s")

    found = verdicts(document)
    assert document["exit"]["code"] == 1
    assert found["crash-mid-charge/failpoint-hit"] == "holds"
    assert found["crash-mid-charge/process-restarted"] == "holds"
    assert found["crash-mid-charge/charged-once"] == "violated"
    assert found["I10"] == "violated"
    assert found["I24"] == "violated"


def test_whoever_takes_over_from_a_ghost_charges_again_by_such_a_gateway(
    cluster: TestCluster, in_cluster: CommandLine
) -> None:
    command = replace(in_cluster, seconds_max=DRILL_SECONDS_MAX)

    with sabotaged_gateway(cluster):
        document = command.ask("drill", "pod-ghost")

    found = verdicts(document)
    assert document["exit"]["code"] == 1
    assert found["pod-ghost/ghost-beside-successor"] == "holds"
    assert found["pod-ghost/charged-once"] == "violated"
    assert found["I10"] == "violated"
