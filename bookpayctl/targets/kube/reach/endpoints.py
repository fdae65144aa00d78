"""Which pod stands behind a Service, or behind an address that only the cluster knows."""

from __future__ import annotations

import random
from typing import Final

from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import AbsentError
from bookpayctl.targets.kube.kinds import ENDPOINT_SLICE
from bookpayctl.targets.kube.reach.forward import PodPort

_SERVICE_LABEL: Final = "kubernetes.io/service-name"


def behind_service(
    cluster: Cluster, namespace: str, service: str, port: int | None = None
) -> PodPort:
    """A pod that is ready now, any of them, with the port that it serves the Service on.

    Args:
        port: another port of the same pod, one that the Service does not show.

    Raises:
        AbsentError: no pod is ready there.
    """
    slices = cluster.objects(ENDPOINT_SLICE, namespace, labels=f"{_SERVICE_LABEL}={service}")
    found = [place for one in slices for place in ready_places(one)]
    if not found:
        raise AbsentError(f"no pod behind Service {namespace}/{service} is ready", status=404)
    pod, served = random.choice(found)
    return PodPort(namespace, pod, port or served)


def ready_places(endpoint_slice: Document) -> list[tuple[str, int]]:
    """Pods that take connections, each with the first port of the slice."""
    ports = [port["port"] for port in endpoint_slice.get("ports") or [] if port.get("port")]
    if not ports:
        return []
    return [
        (endpoint["targetRef"]["name"], ports[0])
        for endpoint in endpoint_slice.get("endpoints") or []
        # No condition means yes, as the API has it.
        if (endpoint.get("conditions") or {}).get("ready") is not False
        and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
    ]


def pod_of_host(host: str, default_namespace: str) -> tuple[str, str]:
    """Namespace and pod of a stable address, `POD.SERVICE.NAMESPACE.svc…`, as brokers have one."""
    labels = host.split(".")
    namespace = labels[2] if len(labels) > 2 else default_namespace
    return namespace, labels[0]
