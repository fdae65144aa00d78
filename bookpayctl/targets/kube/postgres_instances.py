"""PostgreSQL by CloudNativePG, as its operator tells of it in the status of its Cluster."""

from __future__ import annotations

from typing import Final

from bookpayctl.targets.cluster_target import PostgresInstances
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import AbsentError
from bookpayctl.targets.kube.kinds import Kind

CLUSTER: Final = Kind("postgresql.cnpg.io/v1", "Cluster", "clusters")


def read_instances(cluster: Cluster, namespaces: tuple[str, ...]) -> PostgresInstances | None:
    """Of the first that there is in the namespaces; None where there is none.

    Raises:
        ClusterError: the API server does not tell.
    """
    for namespace in namespaces:
        try:
            found = cluster.objects(CLUSTER, namespace)
        except AbsentError:
            # The kind is not known, so nobody has any.
            return None
        if found:
            return instances_of(found[0])
    return None


def instances_of(document: Document) -> PostgresInstances:
    """What one Cluster says. Pure."""
    spec, status = document["spec"], document.get("status") or {}
    synchronous = (spec.get("postgresql") or {}).get("synchronous") or {}
    timeline = status.get("timelineID")
    return PostgresInstances(
        keeper=f"CloudNativePG's cluster {document['metadata']['name']}",
        primary=str(status.get("currentPrimary") or ""),
        timeline=None if timeline is None else int(timeline),
        instances=int(spec.get("instances", 1)),
        ready=int(status.get("readyInstances") or 0),
        synchronous=int(synchronous.get("number", 0)),
    )
