"""Taking an environment out of a cluster: everything of it, and nothing else.

What bears the environment's label goes, in the order in which nothing comes back: what keeps pods
before the pods, claims after those that use them. A namespace goes last, and only when nothing is
left in it that somebody else put there. Of others' namespaces in which it was a guest, only its own
objects go.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import AbsentError, RolloutDeadlineError
from bookpayctl.targets.kube.kinds import CLAIM, NAMESPACE, POD, SECRET, Kind
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL

_LOOK_SECONDS: Final = 0.5

# What Kubernetes itself keeps in every namespace, and what istiod writes into each that there is.
_ITS_OWN: Final = frozenset(
    {
        ("ServiceAccount", "default"),
        ("ConfigMap", "kube-root-ca.crt"),
        ("ConfigMap", "istio-ca-root-cert"),
        ("ConfigMap", "istio-ca-crl"),
    }
)
_FOLLOWING: Final = frozenset(
    {"Event", "Endpoints", "EndpointSlice", "ControllerRevision", "ReplicaSet", "Pod"}
)
_KEEPERS: Final = ("Deployment", "StatefulSet", "Job", "DaemonSet")

# Strimzi lets these go, and who does it in a Kafka goes with that Kafka.
_BEFORE_THEIR_KAFKA: Final = frozenset(
    {"KafkaConnector", "KafkaConnect", "KafkaTopic", "KafkaUser"}
)


def remove(
    cluster: Cluster,
    name: str,
    namespaces: list[str],
    guest_namespaces: list[str],
    *,
    deadline: float,
    tell: Callable[[str], None],
) -> list[str]:
    """Remove every object of an environment and wait until it is gone; what was removed.

    Args:
        guest_namespaces: those of others in which objects of it lie; they stay.

    Raises:
        RolloutDeadlineError: something is still there; the message names it.
    """
    ours = [space for space in namespaces if _is_ours(cluster, space, name)]
    removed: list[str] = []
    searched = [*ours, *guest_namespaces]
    kinds = namespaced_kinds(cluster) if searched else []
    early = [kind for kind in kinds if kind.kind in _BEFORE_THEIR_KAFKA]
    for some in (early, [kind for kind in kinds if kind not in early]):
        for namespace in searched if some else ():
            removed += _remove_from(cluster, name, namespace, some, tell)
        _wait_until_gone(cluster, name, searched, some, deadline)
    for namespace in ours:
        foreign = [one for kind in kinds for one in _foreign(cluster, namespace, kind)]
        if foreign:
            tell(f"namespace {namespace} stays: {', '.join(foreign[:5])} is not ours")
            continue
        cluster.delete(NAMESPACE, namespace)
        removed.append(f"namespace/{namespace}")
    gone = wait_until(
        lambda: [space for space in removed if _is_there(cluster, space)],
        lambda left: not left,
        deadline_seconds=max(0.0, deadline - time.monotonic()),
        every_seconds=_LOOK_SECONDS,
    )
    if not gone.reached:
        raise RolloutDeadlineError(f"still being deleted: {', '.join(gone.value)}")
    return removed


def namespaced_kinds(cluster: Cluster) -> list[Kind]:
    """Every kind whose objects lie in namespaces and can be listed and deleted."""
    return [kind for kind in removable_kinds(cluster) if kind.namespaced]


def removable_kinds(cluster: Cluster) -> list[Kind]:
    """Every kind whose objects can be listed and deleted, wherever they lie."""
    kinds = []
    for version in cluster.groups():
        try:
            resources = cluster.resources(version)
        except AbsentError:
            # An aggregated API whose server is away.
            continue
        kinds += [
            Kind(version, entry["kind"], entry["name"], entry["namespaced"])
            for entry in resources
            if "/" not in entry["name"] and {"list", "delete"} <= set(entry["verbs"])
        ]
    return kinds


def _remove_from(
    cluster: Cluster, name: str, namespace: str, kinds: list[Kind], tell: Callable[[str], None]
) -> list[str]:
    removed = []
    for kind in sorted(kinds, key=_turn):
        if (kind.kind in _FOLLOWING and kind != POD) or kind == NAMESPACE:
            continue
        for document in cluster.objects(kind, namespace, labels=f"{ENVIRONMENT_LABEL}={name}"):
            meta = document["metadata"]
            if kind == POD and meta.get("ownerReferences"):
                # It goes with its owner; one that nobody owns, as a drill's, would stay.
                continue
            if cluster.delete(kind, meta["name"], namespace, uid=meta["uid"]):
                removed.append(_named(document))
    if removed:
        tell(f"deleting {len(removed)} objects in namespace {namespace}")
    return removed


def _wait_until_gone(
    cluster: Cluster, name: str, namespaces: list[str], kinds: list[Kind], deadline: float
) -> None:
    waited = wait_until(
        lambda: [left for space in namespaces for left in _left_in(cluster, name, space, kinds)],
        lambda left: not left,
        deadline_seconds=max(0.0, deadline - time.monotonic()),
        every_seconds=_LOOK_SECONDS,
    )
    if not waited.reached:
        raise RolloutDeadlineError(f"still there: {', '.join(waited.value[:8])}")


def _turn(kind: Kind) -> tuple[bool, bool]:
    # What keeps pods first: a pod that is deleted before it comes back.
    return kind.kind not in _KEEPERS, kind in (CLAIM, SECRET)


def _left_in(cluster: Cluster, name: str, namespace: str, kinds: list[Kind]) -> list[str]:
    return [
        _named(document)
        for kind in kinds
        if kind.kind not in ("Event", "EndpointSlice", "Endpoints")
        for document in cluster.objects(kind, namespace, labels=f"{ENVIRONMENT_LABEL}={name}")
    ]


def _foreign(cluster: Cluster, namespace: str, kind: Kind) -> list[str]:
    """Objects of a kind that neither Kubernetes nor an owner here made."""
    if kind.kind in ("Event", "Endpoints", "EndpointSlice"):
        return []
    return [
        _named(document)
        for document in cluster.objects(kind, namespace)
        if not is_nobodys(document)
    ]


def is_nobodys(document: Document) -> bool:
    """Whether it keeps no namespace: it is the platform's, an owner's or an environment's."""
    meta = document["metadata"]
    named = (document["kind"], meta["name"])
    return (
        named in _ITS_OWN
        or bool(meta.get("ownerReferences"))
        or ENVIRONMENT_LABEL in (meta.get("labels") or {})
    )


def _named(document: Document) -> str:
    return f"{document['kind'].lower()}/{document['metadata']['name']}"


def _is_ours(cluster: Cluster, namespace: str, name: str) -> bool:
    found = cluster.find(NAMESPACE, namespace)
    return (
        found is not None and (found["metadata"].get("labels") or {}).get(ENVIRONMENT_LABEL) == name
    )


def _is_there(cluster: Cluster, entry: str) -> bool:
    kind, _, name = entry.partition("/")
    return kind == "namespace" and cluster.find(NAMESPACE, name) is not None
