"""One run at a time in a namespace: a Lease that names its holder and ends with it.

Kept alive by a thread of the command. A holder that was killed keeps nobody out for longer than the
lease lasts, and not at all who can see that it is dead: whoever has its run's folder. Times are the
API server's, because two machines may tell different ones.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from bookpayctl.targets.errors import ReservedError
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ClusterError, ConflictError
from bookpayctl.targets.kube.kinds import LEASE
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL

NAME: Final = "bookpayctl-run"
LEASE_SECONDS: Final = 30
_RENEW_SECONDS: Final = 10.0
_OF: Final = " of "


@contextmanager
def reserved(
    cluster: Cluster,
    namespace: str,
    environment: str,
    run_id: str,
    is_dead: Callable[[str], bool],
) -> Iterator[None]:
    """Hold the namespace for one run.

    Args:
        is_dead: whether the run of that id is known to be at work no more.

    Raises:
        ReservedError: another run holds it; the message names it.
    """
    holder = f"{run_id}{_OF}{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"
    held = _take(cluster, namespace, environment, holder, is_dead)
    ending = threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(cluster, held, ending), name="reservation", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join(timeout=_RENEW_SECONDS)
        _give_back(cluster, namespace, held)


def is_over(lease: Document, now: datetime) -> bool:
    """Whether its holder has not been heard of for as long as it lasts."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return True
    renewed = datetime.fromisoformat(spec["renewTime"]).astimezone(UTC)
    lasts = timedelta(seconds=int(spec.get("leaseDurationSeconds") or LEASE_SECONDS))
    return now > renewed + lasts


def may_be_taken(lease: Document, now: datetime, is_dead: Callable[[str], bool]) -> bool:
    """Whether nobody is at work who holds it: it is over, or its run is known to be dead."""
    return is_over(lease, now) or is_dead(run_of(lease))


def run_of(lease: Document) -> str:
    """The id of the run that took it; empty for one of nobody."""
    holder: str = (lease.get("spec") or {}).get("holderIdentity") or ""
    return holder.partition(_OF)[0]


def _take(
    cluster: Cluster,
    namespace: str,
    environment: str,
    holder: str,
    is_dead: Callable[[str], bool],
) -> Document:
    now = cluster.now()
    wanted: Document = {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {ENVIRONMENT_LABEL: environment},
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": _text(now),
            "renewTime": _text(now),
        },
    }
    try:
        return cluster.create(LEASE, wanted, namespace)
    except ConflictError:
        found = cluster.get(LEASE, NAME, namespace)
    if not may_be_taken(found, now, is_dead):
        raise ReservedError(
            f"{found['spec']['holderIdentity']} is at work in namespace {namespace}; one run at a"
            f" time. One that was killed stands in the way for {LEASE_SECONDS} s at most"
        )
    try:
        return cluster.replace(LEASE, {**found, "spec": wanted["spec"]})
    except ConflictError as error:
        raise ReservedError(f"another run has just begun in namespace {namespace}") from error


def _keep(cluster: Cluster, held: Document, ending: threading.Event) -> None:
    """Renew until the run ends, or somebody else holds it, or it could not be renewed in time."""
    began, last = time.monotonic(), time.monotonic()
    first = datetime.fromisoformat(held["spec"]["acquireTime"]).astimezone(UTC)
    while not ending.wait(_RENEW_SECONDS) and time.monotonic() - last < LEASE_SECONDS:
        now = first + timedelta(seconds=time.monotonic() - began)
        held["spec"]["renewTime"] = _text(now)
        try:
            held["metadata"] = cluster.replace(LEASE, held)["metadata"]
        except ConflictError:
            return
        except ClusterError:
            # The API server is away for a moment: the next round tries again.
            continue
        last = time.monotonic()


def _give_back(cluster: Cluster, namespace: str, held: Document) -> None:
    """Remove it, if it is still the one; what cannot be removed ends by itself."""
    try:
        cluster.delete(LEASE, NAME, namespace, uid=held["metadata"]["uid"])
    except ClusterError:
        return


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
