"""A rolling restart: what a new version does to pods, without a new version."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube import rollout
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import RolloutDeadlineError
from bookpayctl.targets.kube.kinds import DEPLOYMENT, POD
from bookpayctl.targets.kube.workloads import Workload

# What `kubectl rollout restart` writes, so that nobody finds two notes that mean the same.
RESTARTED_ANNOTATION: Final = "kubectl.kubernetes.io/restartedAt"
_REVISION_ANNOTATION: Final = "deployment.kubernetes.io/revision"
_LOOK_SECONDS: Final = 0.5


def revision_of(workload: Workload) -> str:
    """The newest revision that its controller has made of it; empty before it has."""
    if workload.kind == DEPLOYMENT:
        annotations = workload.document["metadata"].get("annotations") or {}
        return str(annotations.get(_REVISION_ANNOTATION) or "")
    return str((workload.document.get("status") or {}).get("updateRevision") or "")


def roll(cluster: Cluster, workload: Workload, now: datetime, *, deadline_seconds: float) -> None:
    """Restart the pods of a workload as a rollout does; returns when none of before is left.

    Raises:
        RolloutDeadlineError: it did not come to its end; the message says what is in the way.
    """
    before = _uids(cluster, workload)
    template = {"metadata": {"annotations": {RESTARTED_ANNOTATION: now.isoformat()}}}
    cluster.patch(
        workload.kind, workload.name, {"spec": {"template": template}}, workload.namespace
    )
    over = wait_until(
        lambda: _is_over(cluster, workload, before),
        bool,
        deadline_seconds=deadline_seconds,
        every_seconds=_LOOK_SECONDS,
    )
    if not over.reached:
        seen = rollout.look(cluster, workload.document)
        error = RolloutDeadlineError(
            f"{workload.name} is not rolled out after {over.seconds:.0f} s: {seen.text}"
        )
        error.part = workload.name
        raise error


def _is_over(cluster: Cluster, workload: Workload, before: set[str]) -> bool:
    now: Document = cluster.get(workload.kind, workload.name, workload.namespace)
    # A pod that is told to end serves for seconds more; until it is gone the rollout is not over.
    return rollout.is_settled(now) and not before & _uids(cluster, workload)


def _uids(cluster: Cluster, workload: Workload) -> set[str]:
    pods = cluster.objects(POD, workload.namespace, labels=workload.labels)
    return {pod["metadata"]["uid"] for pod in pods}
