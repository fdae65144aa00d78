"""Deployments and StatefulSets: how many pods they keep, for now and for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.kinds import DEPLOYMENT, POD, REPLICA_SET, STATEFUL_SET, Kind
from bookpayctl.targets.kube.pods import STOPPED_ANNOTATION, service_named, stopped_names

_KEEPERS: Final = (DEPLOYMENT, STATEFUL_SET)

# Of two pods that one may go, Kubernetes takes the cheaper one.
_COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
_CHEAP: Final = "-1000"


@dataclass(frozen=True, slots=True)
class Workload:
    """What keeps the pods of one service."""

    kind: Kind
    document: Document

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.document["metadata"]["namespace"])

    @property
    def replicas(self) -> int:
        return int(self.document["spec"].get("replicas", 1))

    @property
    def labels(self) -> str:
        """The selector of its pods, as a query."""
        matched = self.document["spec"]["selector"]["matchLabels"]
        return ",".join(f"{key}={value}" for key, value in sorted(matched.items()))


def workloads(cluster: Cluster, namespaces: tuple[str, ...]) -> list[Workload]:
    """Every Deployment and StatefulSet of the stack."""
    return [
        Workload(kind, document)
        for namespace in namespaces
        for kind in _KEEPERS
        for document in cluster.objects(kind, namespace)
        if service_named(document["metadata"]["name"]) is not None
    ]


def keeper_of(cluster: Cluster, pod: Document) -> Workload | None:
    """The workload that keeps a pod; None when somebody else does, such as an operator."""
    namespace = pod["metadata"]["namespace"]
    owner = _controller(pod)
    if owner is not None and owner["kind"] == "ReplicaSet":
        replica_set = cluster.find(REPLICA_SET, owner["name"], namespace)
        owner = None if replica_set is None else _controller(replica_set)
    for kind in _KEEPERS:
        if owner is not None and owner["kind"] == kind.kind:
            document = cluster.find(kind, owner["name"], namespace)
            return None if document is None else Workload(kind, document)
    return None


def stop_pods(cluster: Cluster, workload: Workload, names: list[str]) -> None:
    """Keep fewer pods, those named, and write down on the workload which ones are missing."""
    if len(names) < workload.replicas:
        for name in names:
            mark = {"metadata": {"annotations": {_COST_ANNOTATION: _CHEAP}}}
            cluster.patch(POD, name, mark, workload.namespace)
    listed = [*stopped_names(workload.document), *names]
    _scale(cluster, workload, workload.replicas - len(names), listed)


def start_pods(cluster: Cluster, workload: Workload, names: list[str]) -> None:
    """Keep as many more pods again as are named and were stopped."""
    listed = stopped_names(workload.document)
    back = [name for name in listed if name in names]
    if back:
        left = [name for name in listed if name not in back]
        _scale(cluster, workload, workload.replicas + len(back), left)


def _scale(cluster: Cluster, workload: Workload, replicas: int, stopped: list[str]) -> None:
    """Both in one write: whoever dies here leaves both or none."""
    annotation = json.dumps(stopped) if stopped else None
    change = {
        "metadata": {"annotations": {STOPPED_ANNOTATION: annotation}},
        "spec": {"replicas": replicas},
    }
    cluster.patch(workload.kind, workload.name, change, workload.namespace)


def _controller(document: Document) -> Document | None:
    owners = document["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
