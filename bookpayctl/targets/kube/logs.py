"""The logs of pods, by time: what the kubelet keeps of the run at hand and of the one before."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import AbsentError, ClusterError, InvalidObjectError
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.log_lines import LogLine, parse

_LOOK_SECONDS: Final = 0.2
_AGAIN_SECONDS: Final = 1.0


def lines_since(
    cluster: Cluster, namespace: str, pod: str, container: str, since: datetime | None
) -> list[tuple[datetime, str]]:
    """Each line with the time at which the kubelet took it; empty when the pod is gone."""
    lines: list[tuple[datetime, str]] = []
    for previous in ("true", "false"):
        query = [("container", container), ("timestamps", "true"), ("previous", previous)]
        if since is not None:
            # The kubelet takes whole seconds; what is too early is left out below.
            query.append(("sinceTime", since.strftime("%Y-%m-%dT%H:%M:%SZ")))
        try:
            text = cluster.text(POD.path(namespace, pod, "log"), query)
        except (AbsentError, InvalidObjectError):
            # No such pod any more, or no run before this one.
            continue
        lines += [stamped(line) for line in text.splitlines() if line]
    return [(at, raw) for at, raw in lines if since is None or at >= since]


def read_all(cluster: Cluster, places: Iterable[tuple[str, str, str]]) -> Iterator[LogLine]:
    """Every line of some containers (namespace, pod, container), by time."""
    return heapq.merge(*(_parsed(cluster, *place) for place in places), key=lambda line: line.at)


def follow(cluster: Cluster, places: Iterable[tuple[str, str, str]]) -> Iterator[LogLine]:
    """New lines as they come, without end; a container's next run is followed as well."""
    came: queue.SimpleQueue[LogLine] = queue.SimpleQueue()
    for place in places:
        threading.Thread(target=_follow_one, args=(cluster, place, came), daemon=True).start()
    while True:
        try:
            # With a time-out, so that a signal ends the wait.
            yield came.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue


def stamped(line: str) -> tuple[datetime, str]:
    """The kubelet's time before a line, and the line."""
    time, _, raw = line.partition(" ")
    # Nanoseconds, of which Python keeps six digits.
    whole, _, fraction = time.rstrip("Z").partition(".")
    at = datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}")
    return at.replace(tzinfo=UTC), raw


def _parsed(cluster: Cluster, namespace: str, pod: str, container: str) -> Iterator[LogLine]:
    for at, raw in lines_since(cluster, namespace, pod, container, None):
        yield parse(pod, raw, _text(at))


def _follow_one(
    cluster: Cluster, place: tuple[str, str, str], came: queue.SimpleQueue[LogLine]
) -> None:
    namespace, pod, container = place
    since, seen = datetime.now(UTC), threading.Event()
    while True:
        query = [
            *(("container", container), ("timestamps", "true"), ("follow", "true")),
            ("sinceTime", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ]
        try:
            for line in cluster.lines(POD.path(namespace, pod, "log"), query, read_seconds=None):
                at, raw = stamped(line)
                if at > since:
                    since = at
                    came.put(parse(pod, raw, _text(at)))
        except AbsentError:
            # The pod is gone for good: its successor has another name.
            return
        except ClusterError:
            # Between two runs of the container there is no log to follow.
            seen.wait(_AGAIN_SECONDS)
        seen.wait(_LOOK_SECONDS)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
