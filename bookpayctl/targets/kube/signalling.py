"""Signals for the processes of pods: each is sent from inside, and seen to have come."""

from __future__ import annotations

import signal
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.errors import NoSuchProcessError, TargetError
from bookpayctl.targets.kube import signals
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.exec import run_in_pod
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.kube.pods import (
    FROZEN_ANNOTATION,
    container_status,
    incarnation,
    is_operators_postgres,
    process_of,
)
from bookpayctl.targets.target import Finished

SIGNAL_SECONDS_MAX: Final = 30.0


def run_beside(
    cluster: Cluster, pod: Document, command: list[str], *, deadline_seconds: float
) -> Finished:
    """Run a command to its end in the container of a pod's process."""
    meta, container = pod["metadata"], pod["spec"]["containers"][0]["name"]
    return run_in_pod(
        cluster,
        meta["namespace"],
        meta["name"],
        container,
        command,
        deadline_seconds=deadline_seconds,
    )


def send_signal(cluster: Cluster, pod: Document, number: signal.Signals) -> None:
    """Send it, and see that it came: the answer, or the container's end, tells."""
    name = pod["metadata"]["name"]
    if not process_of(pod).running:
        raise NoSuchProcessError(f"{name} does not run, so it gets no {number.name}")
    if is_operators_postgres(pod):
        raise TargetError(
            f"{name} is PostgreSQL by an operator, in whose image nothing could send it"
            f" {number.name}; drill postgres-failover takes its primary away"
        )
    try:
        command = signals.command(number)
        done = run_beside(cluster, pod, command, deadline_seconds=SIGNAL_SECONDS_MAX)
    except ClusterError:
        # The end of the container takes the connection with it.
        if number is signal.SIGKILL and _has_ended(cluster, pod):
            return
        raise
    if done.exit_status and not (number is signal.SIGKILL and _has_ended(cluster, pod)):
        said = (done.stderr or done.stdout).strip()
        raise TargetError(f"{name} got no {number.name}: {said}")


def note_frozen(cluster: Cluster, pod: Document, run: str | None) -> None:
    """Write on a pod which run of its container a fault froze; None takes the note away."""
    meta = pod["metadata"]
    change: Document = {"metadata": {"annotations": {FROZEN_ANNOTATION: run}}}
    cluster.patch(POD, meta["name"], change, meta["namespace"])


def _has_ended(cluster: Cluster, before: Document) -> bool:
    """Whether the run that was there has ended, which the kubelet tells within seconds."""
    restarts = container_status(before).get("restartCount", 0)
    was, meta = incarnation(before, restarts), before["metadata"]
    waited = wait_until(
        lambda: cluster.find(POD, meta["name"], meta["namespace"]),
        lambda now: now is None or process_of(now).incarnation != was,
        deadline_seconds=SIGNAL_SECONDS_MAX,
    )
    return waited.reached
