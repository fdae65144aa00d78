"""Nodes: which carries which pods, whether new ones may come, and pods that are asked to leave."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from bookpayctl.targets.cluster_target import Eviction, Node
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import AbsentError, ClusterError, ConflictError
from bookpayctl.targets.kube.kinds import NODE, POD


def nodes_with(cluster: Cluster, pods: Iterable[Document]) -> list[Node]:
    """Every node, each with the pods of these that it carries."""
    carried: dict[str, list[str]] = {}
    for pod in pods:
        carried.setdefault(pod["spec"].get("nodeName") or "", []).append(pod["metadata"]["name"])
    found = cluster.objects(NODE)
    return [node_of(node, carried.get(node["metadata"]["name"], ())) for node in found]


def node_of(node: Document, processes: Iterable[str]) -> Node:
    """What a node's document says."""
    unschedulable = bool((node.get("spec") or {}).get("unschedulable"))
    return Node(node["metadata"]["name"], not unschedulable, tuple(sorted(processes)))


def set_schedulable(cluster: Cluster, node: str, *, schedulable: bool) -> None:
    """Let new pods come to a node, or none."""
    # Not false: the API server leaves the field out of a node that takes pods.
    cluster.patch(NODE, node, {"spec": {"unschedulable": None if schedulable else True}})


def evict(cluster: Cluster, pod: Document) -> Eviction:
    """Ask once for this very pod to leave; never one that took its name since.

    Source:
        Kubernetes documentation, "API-initiated Eviction": 429 when a budget does not allow it now.
    """
    meta = pod["metadata"]
    wish: Document = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "deleteOptions": {"preconditions": {"uid": meta["uid"]}},
    }
    try:
        cluster.create_part(POD, meta["name"], "eviction", wish, meta["namespace"])
    except (AbsentError, ConflictError):
        return Eviction.GONE
    except ClusterError as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Eviction.HELD
        raise
    return Eviction.TAKEN
