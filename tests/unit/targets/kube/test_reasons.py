"""Why a pod is not ready: the reason from wherever Kubernetes keeps it, and whether to wait."""

from __future__ import annotations

import pytest

from bookpayctl.targets.kube.reasons import obstacle_of
from tests.unit.targets.kube.documents import RUNNING, Document, ended, pod, waiting


def unschedulable() -> Document:
    found = pod()
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no memory"}
    found["status"]["conditions"].append(condition)
    return found


def initialising(state: Document) -> Document:
    found = pod(state=waiting("PodInitializing"))
    found["status"]["initContainerStatuses"] = [{"name": "await-schema", "state": state}]
    return found


@pytest.mark.parametrize(
    ("given", "said", "hopeless", "log_of"),
    [
        (unschedulable(), "no node takes it: 0/1 nodes: no memory", False, ""),
        (pod(state=waiting("ErrImageNeverPull", "absent")), "image bookpay:dev", True, ""),
        (pod(state=waiting("ImagePullBackOff")), "image bookpay:dev", True, ""),
        (pod(state=waiting("CreateContainerConfigError", "no secret x")), "no secret x", True, ""),
        (
            pod(state=waiting("CrashLoopBackOff"), last=ended(1), restarts=3),
            "3 times); it ended with status 1",
            False,
            "payments-worker",
        ),
        (
            pod(state=waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled"), restarts=2),
            "more memory than its limit",
            False,
            "payments-worker",
        ),
        (
            pod(state=RUNNING, last=ended(2), restarts=1),
            "was restarted 1 times; it ended with status 2",
            False,
            "payments-worker",
        ),
        (pod(state=RUNNING), "not ready yet", False, ""),
        (initialising(RUNNING), "await-schema has not ended yet", False, "await-schema"),
        (initialising(ended(2)), "await-schema ended with status 2", False, "await-schema"),
        (pod(deletionTimestamp="2026-11-29T10:00:00Z"), "being deleted", False, ""),
        (pod(), "it is pending", False, ""),
    ],
)
def test_the_first_thing_in_the_way_is_told(
    given: Document, said: str, hopeless: bool, log_of: str
) -> None:
    obstacle = obstacle_of(given)
    assert said in obstacle.text
    assert (obstacle.hopeless, obstacle.log_of) == (hopeless, log_of)


def test_the_last_warning_tells_what_no_state_does() -> None:
    events = [
        {"type": "Warning", "reason": "Old", "message": "x", "lastTimestamp": "2026-11-29T10:00Z"},
        {
            "type": "Warning",
            "reason": "FailedMount",
            "message": "no such volume ",
            "lastTimestamp": "2026-11-29T11:00Z",
        },
        {"type": "Normal", "reason": "Pulled", "message": "", "lastTimestamp": "2026-11-29T12:00Z"},
    ]
    assert obstacle_of(pod(), events).text == "FailedMount: no such volume"
