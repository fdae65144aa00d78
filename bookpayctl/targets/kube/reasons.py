"""Why something in a cluster is not ready, in words, with what to do about it. Pure.

Kubernetes keeps the reason in five places (conditions, container states, events, owners, logs) and
`kubectl wait` shows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.kube.cluster import Document

# What does not pass by itself, however long one waits.
HOPELESS: Final = frozenset(
    {
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
    }
)
_IMAGE: Final = frozenset(
    {"ErrImageNeverPull", "InvalidImageName", "ErrImagePull", "ImagePullBackOff"}
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps one pod from being ready.

    Attributes:
        hopeless: it will not pass by itself, so nobody needs to wait for it.
        fix: what an operator does about it; empty when waiting may do.
        log_of: the container whose last lines tell more; empty when none does.
    """

    text: str
    hopeless: bool = False
    fix: str = ""
    log_of: str = ""


def why_not_ready(pod: Document, events: Iterable[Document] = ()) -> str:
    """In one line."""
    return obstacle_of(pod, events).text


def obstacle_of(pod: Document, events: Iterable[Document] = ()) -> Obstacle:
    """What is in the way of a pod, the first thing first."""
    if pod["metadata"].get("deletionTimestamp"):
        return Obstacle("it is being deleted")
    status = pod.get("status") or {}
    unscheduled = _condition(status, "PodScheduled", "False")
    if unscheduled is not None:
        message = str(unscheduled.get("message") or unscheduled.get("reason") or "no node")
        return Obstacle(f"no node takes it: {message}", fix="kubectl describe nodes")
    for group in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(group) or []:
            found = _of_container(container, is_init=group.startswith("init"))
            if found is not None:
                return found
    warning = _last_warning(events)
    if warning is not None:
        return Obstacle(warning)
    unready = _condition(status, "Ready", "False")
    if unready is not None and status.get("phase") == "Running":
        return Obstacle("it runs and is not ready yet")
    return Obstacle(f"it is {str(status.get('phase') or 'Pending').lower()}")


def _of_container(container: Document, *, is_init: bool) -> Obstacle | None:
    state = container.get("state") or {}
    name, restarts = container["name"], container.get("restartCount", 0)
    waiting = state.get("waiting")
    if waiting is not None:
        return _waiting(container, waiting)
    if is_init and "running" in state:
        return Obstacle(f"{name} has not ended yet", log_of=name)
    ended = state.get("terminated")
    if ended is not None and ended.get("exitCode"):
        return Obstacle(f"{name} {_ending(ended)}", log_of=name)
    before = (container.get("lastState") or {}).get("terminated")
    if not is_init and "running" in state and not container.get("ready") and before and restarts:
        return Obstacle(f"{name} was restarted {restarts} times; it {_ending(before)}", log_of=name)
    return None


def _waiting(container: Document, waiting: Document) -> Obstacle | None:
    name, reason = container["name"], str(waiting.get("reason") or "")
    said = str(waiting.get("message") or "").strip()
    if reason in ("PodInitializing", "ContainerCreating", ""):
        return None
    if reason in _IMAGE:
        image = container.get("image", "?")
        return Obstacle(
            f"image {image} cannot be had: {reason}{f' ({said})' if said else ''}",
            hopeless=True,
            fix="bookpayctl image build --archive F.tar, and load it into every node",
        )
    if reason == "CrashLoopBackOff":
        before = (container.get("lastState") or {}).get("terminated") or {}
        times = container.get("restartCount", 0)
        return Obstacle(
            f"{name} crashes again and again ({times} times); it {_ending(before)}", log_of=name
        )
    return Obstacle(f"{name}: {reason}{f': {said}' if said else ''}", hopeless=reason in HOPELESS)


def _ending(ended: Document) -> str:
    if ended.get("reason") == "OOMKilled":
        return "needed more memory than its limit (OOMKilled)"
    return f"ended with status {ended.get('exitCode', '?')}"


def _condition(status: Document, name: str, value: str) -> Document | None:
    for condition in status.get("conditions") or []:
        if condition["type"] == name and condition["status"] == value:
            found: Document = condition
            return found
    return None


def _last_warning(events: Iterable[Document]) -> str | None:
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return None
    last = max(warnings, key=_when)
    return f"{last.get('reason')}: {str(last.get('message') or '').strip()}"


def _when(event: Document) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
