"""Whose a namespace is: this environment's, another one's, or somebody else's altogether."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import (
    AbsentError,
    ForeignObjectsError,
    RolloutDeadlineError,
)
from bookpayctl.targets.kube.kinds import NAMESPACE
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL

_LOOK_SECONDS: Final = 0.5


def refuse_foreign(cluster: Cluster, namespaces: list[str], name: str) -> list[str]:
    """See that nothing in the way is another's; the namespaces that are not there yet.

    Raises:
        ForeignObjectsError: a namespace is there, and this environment did not make it.
    """
    missing = []
    for namespace in namespaces:
        found = cluster.find(NAMESPACE, namespace)
        if found is None:
            missing.append(namespace)
            continue
        owner = (found["metadata"].get("labels") or {}).get(ENVIRONMENT_LABEL)
        if owner is None:
            raise ForeignObjectsError(
                f"namespace {namespace} is there and was not made by `up`; nothing in it is touched"
                f" (a stack that runs there already is looked at with `bookpayctl attach`)"
            )
        if owner != name:
            raise ForeignObjectsError(
                f"namespace {namespace} is environment {owner!r}'s; take that down first:"
                f" bookpayctl down --name {owner}"
            )
    return missing


def refuse_without_hosts(cluster: Cluster, namespaces: list[str]) -> None:
    """See that the namespaces of others in which something is to lie are there.

    Raises:
        AbsentError: one is not; nothing was changed.
    """
    for namespace in namespaces:
        if cluster.find(NAMESPACE, namespace) is None:
            raise AbsentError(
                f"namespace {namespace} is not there; it is made by whoever installs what the"
                " overlay puts objects in it for; nothing was changed",
                status=404,
            )


def wait_until_free(
    cluster: Cluster, namespaces: list[str], *, deadline: float, tell: Callable[[str], None]
) -> None:
    """Wait for namespaces that are being deleted: nothing can be made in them.

    Raises:
        RolloutDeadlineError: they are still there; the message says what holds them.
    """
    waited = wait_until(
        lambda: leaving(cluster, namespaces, tell),
        lambda left: not left,
        deadline_seconds=max(0.0, deadline - time.monotonic()),
        every_seconds=_LOOK_SECONDS,
    )
    if not waited.reached:
        raise RolloutDeadlineError(f"still being deleted: {'; '.join(waited.value)}")


def leaving(cluster: Cluster, namespaces: list[str], tell: Callable[[str], None]) -> list[str]:
    """Those that are being deleted, each with what the API server says holds it."""
    held = []
    for namespace in namespaces:
        found = cluster.find(NAMESPACE, namespace)
        if found is None or not found["metadata"].get("deletionTimestamp"):
            continue
        conditions = (found.get("status") or {}).get("conditions") or []
        reasons = [
            str(condition.get("message"))
            for condition in conditions
            if condition["status"] == "True" and condition["type"].startswith("Namespace")
        ]
        tell(f"namespace {namespace} is being deleted")
        held.append(f"{namespace} ({'; '.join(reasons) or 'its pods are ending'})")
    return held
