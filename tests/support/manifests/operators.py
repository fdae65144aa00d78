"""What operators are told: each function gives the sentences that are not true of an overlay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runtime.domain.names import Service
from tests.support.manifests.references import ports_of
from tests.support.manifests.rendering import (
    PAYMENTS,
    Rendered,
    containers_of,
    full_name,
    labels_of,
    pod_of,
)

Json = Any  # a document as YAML gives it

AGENT_PORT: Final = 15020
"""Where the agent beside a sidecar tells metrics, in plain text."""

_OUTSIDE: Final = "sidecar.istio.io/inject"

# Sessions that one process may hold: its pools, its own, and one for failpoints.
_SESSIONS: Final = {
    "orders-service": 17,
    "orders-service-consumer": 3,
    Service.PUBLISHER.value: 4,
    Service.WORKER.value: 16,
    Service.GATEWAY.value: 33,
    Service.RECEIVER.value: 17,
    Service.RECONCILER.value: 6,
    Service.NOTIFIER.value: 3,
}
# PostgreSQL keeps three back, and the operator, standbys and bookpayctl hold some.
_SESSIONS_OF_OTHERS: Final = 20


def sessions(rendered: Rendered) -> Iterator[str]:
    """PostgreSQL by its operator takes as many sessions as all pools may open."""
    for cluster in rendered.of_kind("Cluster"):
        parameters = cluster["spec"]["postgresql"]["parameters"]
        allowed = int(parameters.get("max_connections", 100))
        at_most = {
            full_name(scaler)[1]: scaler["spec"]["maxReplicaCount"]
            for scaler in rendered.of_kind("ScaledObject")
        }
        needed = _SESSIONS_OF_OTHERS + sum(
            _SESSIONS[name] * at_most.get(name, workload["spec"].get("replicas", 1))
            for workload in rendered.of_kind("Deployment")
            for name in [full_name(workload)[1]]
        )
        if needed > allowed:
            yield f"the services may open {needed} sessions, and PostgreSQL takes {allowed}"


def scaling_down(rendered: Rendered) -> Iterator[str]:
    """Workers go when what they hold is long done, and not with every lull."""
    config = rendered.named("ConfigMap", "bookpay-config")["data"]
    for scaler in rendered.of_kind("ScaledObject"):
        name, spec = full_name(scaler)[1], scaler["spec"]
        # KEDA reads it on the way to zero alone.
        if "cooldownPeriod" in spec and spec["minReplicaCount"] > 0:
            yield f"{name} has a cooldownPeriod, which means nothing above zero"
        behavior = (
            spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
        )
        seconds = behavior.get("scaleDown", {}).get("stabilizationWindowSeconds")
        if seconds is None or seconds < float(config["BOOKPAY_LEASE_SECONDS"]):
            yield f"{name} takes workers away before a lease has ended"


def in_the_mesh(rendered: Rendered) -> Iterator[str]:
    """Only who speaks HTTP has a sidecar, and its metrics can be read without one."""
    namespace = rendered.named("Namespace", PAYMENTS, "")
    if namespace["metadata"]["labels"].get("istio-injection") != "enabled":
        return
    for cluster in rendered.of_kind("Cluster"):
        if cluster["spec"]["inheritedMetadata"]["labels"].get(_OUTSIDE) != "false":
            yield f"{full_name(cluster)[1]} speaks first, and would have a sidecar"
    for workload in rendered.workloads:
        if full_name(workload)[0] != PAYMENTS or labels_of(workload).get(_OUTSIDE) == "false":
            continue
        name, opened = full_name(workload)[1], ports_of(workload)
        if not {"http", "metrics"} & set(opened):
            yield f"{name} serves no HTTP, and would have a sidecar"
        if workload["kind"] == "Deployment" and not _is_merged(workload, opened):
            yield f"{name}: the agent does not find its metrics"
    for monitor in rendered.of_kind("PodMonitor"):
        endpoints = monitor["spec"]["podMetricsEndpoints"]
        if not all(f":{AGENT_PORT}" in str(one.get("relabelings")) for one in endpoints):
            yield f"{full_name(monitor)[1]} asks in plain text, which sidecars refuse"


def _is_merged(workload: Json, opened: dict[str, int]) -> bool:
    told = pod_of(workload)["metadata"].get("annotations", {})
    port = opened.get("http") or opened.get("metrics")
    return told.get("prometheus.istio.io/merge-metrics") == "true" and (
        told.get("prometheus.io/scrape"),
        told.get("prometheus.io/port"),
        told.get("prometheus.io/path"),
    ) == ("true", str(port), "/metrics")


def stripes_secrets(rendered: Rendered) -> Iterator[str]:
    """What Vault fills is asked for as often as a rotation waits for it, and is kept."""
    for external in rendered.of_kind("ExternalSecret"):
        name, spec = full_name(external)[1], external["spec"]
        if spec["target"].get("deletionPolicy") != "Retain":
            yield f"{name} would vanish with its value in Vault"
        if not str(spec.get("refreshInterval", "")).endswith("m"):
            yield f"{name} is asked for every {spec.get('refreshInterval')}"
        mounted = {
            volume["secret"]["secretName"]
            for workload in rendered.workloads
            for volume in pod_of(workload)["spec"].get("volumes", ())
            if "secret" in volume
        }
        if spec["target"]["name"] not in mounted:
            yield f"{name} is filled for nobody"
    for workload in rendered.workloads:
        for container in containers_of(workload):
            for mount in container.get("volumeMounts", ()):
                # The kubelet never renews a file that is mounted by itself.
                if "subPath" in mount:
                    yield f"{container['name']} would not see a secret that is rolled"


RULES: Final = (sessions, scaling_down, in_the_mesh, stripes_secrets)
