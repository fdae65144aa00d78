"""components/certify: the stack is certified by a pod beside it, whose exit code is the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.operators import SPACE, asked_for, compose, stack
from tests.support.sabotage import sabotaged_gateway
from tests.support.waiting import eventually

pytestmark = [asked_for, pytest.mark.acceptance]

# As a Job's own deadline; a profile is minutes.
JOB_SECONDS_MAX: Final = 3600.0


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("certify")
    with stack(cluster_variables, folder / "home", compose(folder, "certify")) as command:
        yield command


def certified_by(cluster: TestCluster, job: str) -> tuple[str, str]:
    """Begin what the CronJob would begin at night; how it ended, and what its pod said."""
    cluster.kubectl("create", "job", "--from=cronjob/bookpay-certify", job, "-n", SPACE)
    asked = ("get", "job", job, "-n", SPACE)
    ended = eventually(
        lambda: cluster.kubectl(
            *asked, "-o", 'jsonpath={.status.conditions[?(@.status=="True")].type}'
        ),
        "the certificate is written",
        seconds=JOB_SECONDS_MAX,
    )
    said = cluster.kubectl("logs", f"job/{job}", "-n", SPACE, "--all-containers", "--tail=-1")
    return ended, said


@pytest.mark.usefixtures("shop")
def test_a_right_stack_is_certified(cluster: TestCluster) -> None:
    ended, said = certified_by(cluster, "certify-right")

    assert "Complete" in ended, said
    assert "verdict holds" in said


@pytest.mark.usefixtures("shop")
def test_a_wrong_gateway_is_not(cluster: TestCluster) -> None:
    """Last: what it charged twice stays charged twice."""
    with sabotaged_gateway(cluster):
        ended, said = certified_by(cluster, "certify-wrong")

    assert "Failed" in ended, said
    assert "verdict violated" in said
