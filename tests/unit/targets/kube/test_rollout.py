"""When a workload is ready: never by the state before a change, never half."""

from __future__ import annotations

import pytest

from bookpayctl.targets.kube.rollout import is_settled

SETTLED = {"observedGeneration": 4, "updatedReplicas": 2, "readyReplicas": 2, "replicas": 2}


def deployment(**status: int) -> dict[str, object]:
    return {
        "kind": "Deployment",
        "metadata": {"generation": 4},
        "spec": {"replicas": 2},
        "status": SETTLED | status,
    }


def test_a_workload_whose_pods_are_all_new_and_ready_is_settled() -> None:
    assert is_settled(deployment())


@pytest.mark.parametrize(
    "status",
    [
        # What `kubectl wait` passes on: the controller has not looked yet.
        {"observedGeneration": 3},
        {"updatedReplicas": 1},
        {"readyReplicas": 1},
        # One of before is still there.
        {"replicas": 3},
    ],
)
def test_anything_less_is_not(status: dict[str, int]) -> None:
    assert not is_settled(deployment(**status))


def test_a_job_is_settled_when_it_succeeded() -> None:
    job = {"kind": "Job", "metadata": {"generation": 1}, "spec": {"completions": 1}}
    assert not is_settled({**job, "status": {"active": 1}})
    assert is_settled({**job, "status": {"succeeded": 1}})
