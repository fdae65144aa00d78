"""What the kubelets saw of the pods' containers, kept by a watch for as long as a command lives.

A pod tells of its last run and the one before; what happened between two looks would be lost, and
with it the proof of a fault. So the pods are watched from the first mark on. A watch that ends is
taken up where it was, and begun anew from a list when the API server no longer knows that place.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Final

from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.kube.pods import is_ours, runs_of
from bookpayctl.targets.target import ProcessEnd, ProcessEvents, ProcessStart

_GONE: Final = 410

# The API server ends a watch after this long, so that one that went deaf is not for ever.
_WATCH_SECONDS: Final = 240
_PAUSE_SECONDS: Final = 0.5


class Record:
    """Ends and starts in the order in which they were learnt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, bool] = {}
        self._known: list[ProcessEnd | ProcessStart] = []

    def __len__(self) -> int:
        with self._lock:
            return len(self._known)

    def learn(self, pod: Document) -> None:
        """Note what a pod tells that was not known."""
        with self._lock:
            for run in runs_of(pod):
                name = pod["metadata"]["name"]
                if run.incarnation not in self._seen:
                    self._seen[run.incarnation] = False
                    self._known.append(ProcessStart(name, run.incarnation))
                if run.end is not None and not self._seen[run.incarnation]:
                    self._seen[run.incarnation] = True
                    self._known.append(run.end)

    def since(self, place: int) -> ProcessEvents:
        with self._lock:
            later = self._known[place:]
        return ProcessEvents(
            ends=tuple(event for event in later if isinstance(event, ProcessEnd)),
            starts=tuple(event for event in later if isinstance(event, ProcessStart)),
        )


class PodWatch:
    """Feeds a record from some namespaces until the process ends or `stop`."""

    def __init__(self, cluster: Cluster, namespaces: tuple[str, ...]) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._stopping = threading.Event()
        self.record = Record()
        for namespace in namespaces:
            # Known before the first watch: what was there is no news.
            version = self._look(namespace)
            threading.Thread(
                target=self._watch, args=(namespace, version), name="pods", daemon=True
            ).start()

    def catch_up(self) -> None:
        """Learn what there is to learn now; a watch may be a moment behind."""
        for namespace in self._namespaces:
            self._look(namespace)

    def stop(self) -> None:
        self._stopping.set()

    def _look(self, namespace: str) -> str:
        listed = self._cluster.listing(POD, namespace)
        for pod in listed["items"] or []:
            self._learn(pod)
        return str(listed["metadata"]["resourceVersion"])

    def _learn(self, pod: Document) -> None:
        if is_ours(pod):
            self.record.learn(pod)

    def _watch(self, namespace: str, version: str) -> None:
        while not self._stopping.is_set():
            try:
                version = follow(
                    self._cluster, namespace, version, self._learn, _WATCH_SECONDS
                ) or self._look(namespace)
            except ClusterError:
                # The API server is away. What is missed meanwhile the next look may still tell.
                self._stopping.wait(_PAUSE_SECONDS)
                with contextlib.suppress(ClusterError):
                    version = self._look(namespace)


def follow(
    cluster: Cluster,
    namespace: str,
    version: str,
    learn: Callable[[Document], None],
    seconds: int,
) -> str | None:
    """Watch the pods of a namespace from a version on until the API server ends it.

    Returns:
        The version to go on from; None when the one given is too old, so that all must be listed.

    Raises:
        ClusterError: it could not be watched.
    """
    query = [
        ("watch", "true"),
        ("resourceVersion", version),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", str(seconds)),
    ]
    try:
        for line in cluster.lines(POD.path(namespace), query, read_seconds=seconds + 30.0):
            event = json.loads(line)
            if event["type"] == "ERROR":
                if event["object"].get("code") == _GONE:
                    return None
                raise ClusterError(str(event["object"].get("message")), status=500)
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                learn(event["object"])
    except ClusterError as error:
        if error.status == _GONE:
            return None
        raise
    return version
