"""Whether what was applied is ready, and if not, why: read, not guessed.

`kubectl wait` passes on the state before a change, and sits its time out on one that will never
be. Here a workload counts once its controller has seen the newest generation and all its pods are
ready, and what cannot pass by itself ends the wait with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.custom_resources import (
    AwaitedResource,
    awaited,
    is_resource_ready,
    what_lacks,
)
from bookpayctl.targets.kube.errors import ClusterError, RolloutDeadlineError, RolloutError
from bookpayctl.targets.kube.kinds import DEPLOYMENT, EVENT, JOB, POD, STATEFUL_SET, Kind
from bookpayctl.targets.kube.logs import lines_since
from bookpayctl.targets.kube.pods import is_ready
from bookpayctl.targets.kube.reasons import Obstacle, obstacle_of
from bookpayctl.targets.platform import UpStep

_KINDS: Final = {kind.kind: kind for kind in (DEPLOYMENT, STATEFUL_SET, JOB)}
_LOOK_SECONDS: Final = 0.5

# What is hopeless may still be a moment's: a Secret applied after its pod, a pull's second try.
_HOPELESS_SECONDS: Final = 10.0
_LOG_LINES: Final = 15
_CRASHES_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """One workload now.

    Attributes:
        obstacle: what is in its way; None when nothing is seen to be.
        pod: whose obstacle it is.
    """

    ready: bool
    text: str
    obstacle: Obstacle | None = None
    pod: Document | None = None


def wait_for(
    cluster: Cluster, documents: list[Document], *, deadline: float, tell: Callable[[UpStep], None]
) -> None:
    """Wait until every workload of the documents is ready, and what operators make for them.

    Args:
        deadline: of the monotonic clock.

    Raises:
        RolloutError: one will not be, and why.
        RolloutDeadlineError: the time is up; the message says what was in the way.
    """
    began = time.monotonic()
    waiting = [
        document for document in documents if document["kind"] in _KINDS or awaited(document)
    ]
    hopeless_since: dict[str, float] = {}
    while True:
        left: list[tuple[Document, Progress]] = []
        for document in waiting:
            progress = look(cluster, document)
            name = part_of(document)
            if progress.ready:
                seconds = time.monotonic() - began
                tell(UpStep(name, f"ready after {seconds:.1f} s", done=True))
                continue
            left.append((document, progress))
            tell(UpStep(name, progress.text, transient=True))
            _give_up_on(cluster, name, progress, hopeless_since)
        waiting = [document for document, _ in left]
        if not waiting:
            return
        if time.monotonic() >= deadline:
            raise _too_late(cluster, left, time.monotonic() - began)
        time.sleep(_LOOK_SECONDS)


def part_of(document: Document) -> str:
    """What a document is called where it is waited for."""
    name = str(document["metadata"]["name"])
    return name if document["kind"] in _KINDS else f"{document['kind'].lower()}/{name}"


def look(cluster: Cluster, document: Document) -> Progress:
    """One workload now, with what is in its way."""
    resource = awaited(document)
    if resource is not None:
        return _look_at_resource(cluster, document, resource)
    kind, meta = _KINDS[document["kind"]], document["metadata"]
    now = cluster.find(kind, meta["name"], meta["namespace"])
    if now is None:
        return Progress(False, "it is not there")
    if is_settled(now):
        return Progress(True, "ready")
    return _in_the_way(cluster, kind, now)


def is_settled(workload: Document) -> bool:
    """Whether its controller has seen the newest generation, and everything of it is ready."""
    status, spec = workload.get("status") or {}, workload["spec"]
    if workload["kind"] == "Job":
        return int(status.get("succeeded") or 0) >= int(spec.get("completions") or 1)
    wanted = int(spec.get("replicas", 1))
    return (
        int(status.get("observedGeneration") or 0) >= workload["metadata"]["generation"]
        and int(status.get("updatedReplicas") or 0) == wanted
        and int(status.get("readyReplicas") or 0) == wanted
        # Those of before are gone, too.
        and int(status.get("replicas") or 0) == wanted
    )


def _look_at_resource(cluster: Cluster, document: Document, resource: AwaitedResource) -> Progress:
    kind = Kind(document["apiVersion"], document["kind"], resource.plural)
    name, namespace = document["metadata"]["name"], document["metadata"]["namespace"]
    now = cluster.find(kind, name, namespace)
    if now is None:
        return Progress(False, "it is not there")
    if is_resource_ready(now):
        return Progress(True, "ready")
    said = what_lacks(now)
    labels = f"{resource.pods_label}={name}"
    pods = cluster.objects(POD, namespace, labels=labels) if resource.pods_label else []
    return _of_pods(cluster, pods, said) or Progress(False, said)


def _in_the_way(cluster: Cluster, kind: Kind, workload: Document) -> Progress:
    namespace, spec = workload["metadata"]["namespace"], workload["spec"]
    failed = (
        _condition(workload, "Failed") if kind is JOB else _condition(workload, "ReplicaFailure")
    )
    if failed is not None:
        message = str(failed.get("message") or failed.get("reason"))
        return Progress(False, message, Obstacle(message, hopeless=True))
    labels = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
    pods = cluster.objects(POD, namespace, labels=labels)
    ready = sum(map(is_ready, pods))
    wanted = spec.get("replicas", 1)
    hindered = _of_pods(cluster, pods, f"{ready} of {wanted} ready")
    if hindered is not None:
        return hindered
    if kind is JOB:
        return Progress(False, "its pod runs")
    if not pods:
        refused = obstacle_of_none(_events(cluster, workload))
        return Progress(False, f"no pod yet{f': {refused}' if refused else ''}")
    return Progress(False, f"{ready} of {wanted} ready")


def _of_pods(cluster: Cluster, pods: list[Document], said: str) -> Progress | None:
    """What is in the way of the first pod that is not ready; None when all are."""
    for pod in pods:
        if not is_ready(pod) and (pod.get("status") or {}).get("phase") != "Succeeded":
            obstacle = obstacle_of(pod, _events(cluster, pod))
            return Progress(False, f"{said}; {obstacle.text}", obstacle, pod)
    return None


def obstacle_of_none(events: list[Document]) -> str:
    """Why a workload has no pod, as its controller says; empty when it says nothing."""
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    return str(refused[-1].get("message") or "") if refused else ""


def _give_up_on(
    cluster: Cluster, name: str, progress: Progress, hopeless_since: dict[str, float]
) -> None:
    obstacle = progress.obstacle
    if obstacle is None or not (obstacle.hopeless or _crashes(progress.pod) >= _CRASHES_MAX):
        hopeless_since.pop(name, None)
        return
    since = hopeless_since.setdefault(name, time.monotonic())
    if time.monotonic() - since < _HOPELESS_SECONDS:
        return
    raise _explained(cluster, RolloutError(f"{name}: {obstacle.text}"), name, progress)


def _too_late(
    cluster: Cluster, left: list[tuple[Document, Progress]], seconds: float
) -> RolloutDeadlineError:
    said = "; ".join(f"{part_of(document)}: {progress.text}" for document, progress in left)
    error = RolloutDeadlineError(f"not ready after {seconds:.0f} s: {said}")
    document, progress = next(
        ((doc, seen) for doc, seen in left if seen.obstacle is not None and seen.obstacle.log_of),
        left[0],
    )
    _explained(cluster, error, part_of(document), progress)
    return error


def _explained(
    cluster: Cluster, error: RolloutError, name: str, progress: Progress
) -> RolloutError:
    """The error with the part, the remedy, and the last words of the container."""
    error.part = name
    obstacle, pod = progress.obstacle, progress.pod
    if obstacle is not None and obstacle.fix:
        error.fix = obstacle.fix
    if obstacle is not None and obstacle.log_of and pod is not None:
        meta = pod["metadata"]
        try:
            lines = lines_since(cluster, meta["namespace"], meta["name"], obstacle.log_of, None)
        except ClusterError as unread:
            error.log = (f"(its log cannot be read: {unread})",)
        else:
            error.log = tuple(raw for _, raw in lines[-_LOG_LINES:])
    return error


def _crashes(pod: Document | None) -> int:
    statuses = ((pod or {}).get("status") or {}).get("containerStatuses") or []
    return max((int(status.get("restartCount") or 0) for status in statuses), default=0)


def _condition(workload: Document, name: str) -> Document | None:
    for condition in (workload.get("status") or {}).get("conditions") or []:
        if condition["type"] == name and condition["status"] == "True":
            found: Document = condition
            return found
    return None


def _events(cluster: Cluster, about: Document) -> list[Document]:
    meta = about["metadata"]
    return cluster.objects(EVENT, meta["namespace"], fields=f"involvedObject.uid={meta['uid']}")
