"""How pods are made: each function gives the sentences that are not true of a rendered overlay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runtime.adapters.http.serving import DRAIN_SECONDS
from tests.support.manifests.references import ports_of
from tests.support.manifests.rendering import (
    KAFKA,
    PAYMENTS,
    Rendered,
    containers_of,
    full_name,
    labels_of,
    pod_of,
)

Json = Any  # a document as YAML gives it

ALIVE_SECONDS_LEAST: Final = 60
"""How long a process may be frozen before its platform ends it: drills freeze for less."""

_UNITS: Final = {"m": 1e-3, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def quantity(text: str | int) -> float:
    """Cores, or bytes, of `100m`, `2`, `64Mi`."""
    for unit, factor in _UNITS.items():
        if str(text).endswith(unit):
            return float(str(text).removesuffix(unit)) * factor
    return float(text)


def restricted(rendered: Rendered) -> Iterator[str]:
    """Each pod is one that a restricted namespace lets in, and each namespace is restricted."""
    for workload in rendered.workloads:
        name, spec = full_name(workload)[1], pod_of(workload)["spec"]
        pod = spec.get("securityContext", {})
        if not pod.get("runAsNonRoot") or pod.get("runAsUser", 0) == 0:
            yield f"{name} may run as root"
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name} has no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} has a token of the API server"
        for container in containers_of(workload):
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False:
                yield f"{name}/{container['name']} may gain privileges"
            if own.get("capabilities", {}).get("drop") != ["ALL"]:
                yield f"{name}/{container['name']} keeps capabilities"
            if own.get("readOnlyRootFilesystem") is not True:
                yield f"{name}/{container['name']} may write to its root"
    for namespace in rendered.of_kind("Namespace"):
        labels = namespace["metadata"]["labels"]
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"namespace {full_name(namespace)[1]} enforces nothing"
        if not labels.get("pod-security.kubernetes.io/enforce-version", "latest").startswith("v1"):
            yield f"namespace {full_name(namespace)[1]} pins no version"


def images(rendered: Rendered) -> Iterator[str]:
    """Each image has a tag of its own and is not asked for again where it is."""
    for workload in rendered.workloads:
        for container in containers_of(workload):
            name = f"{full_name(workload)[1]}/{container['name']}"
            _, colon, tag = container["image"].rpartition(":")
            if not colon or tag == "latest":
                yield f"{name}: the image {container['image']} has no tag of its own"
            if container.get("imagePullPolicy") != "IfNotPresent":
                yield f"{name}: an image that was loaded into the node would be pulled"


def probes(rendered: Rendered) -> Iterator[str]:
    """Each server has three probes for three reasons, on a port that it opens."""
    for workload in rendered.of_kind("Deployment", "StatefulSet"):
        container, ports = pod_of(workload)["spec"]["containers"][0], ports_of(workload)
        name = container["name"]
        # Somebody else's, whose first answer is soon there.
        kinds = ["readinessProbe", "livenessProbe"]
        kinds += [] if name == "stripe-mock" else ["startupProbe"]
        for kind in kinds:
            if kind not in container:
                yield f"{name} has no {kind}"
                continue
            probe = container[kind]
            port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
            if "exec" not in probe and port not in ports:
                yield f"{name}: {kind} asks port {port}, which it does not open"
        alive = container.get("livenessProbe", {})
        if alive.get("periodSeconds", 10) * alive.get("failureThreshold", 3) < ALIVE_SECONDS_LEAST:
            yield f"{name} would be ended before it was frozen for {ALIVE_SECONDS_LEAST} s"
        if "/readyz" in str(alive) or alive == container.get("readinessProbe"):
            yield f"{name} would be restarted for what a restart does not mend"


def endings(rendered: Rendered) -> Iterator[str]:
    """A pod that is told to end is given the time that it needs, and no order is turned away."""
    for workload in rendered.of_kind("Deployment"):
        spec, name = pod_of(workload)["spec"], full_name(workload)[1]
        if name == "stripe-mock":
            continue
        container = spec["containers"][0]
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if "http" in ports_of(workload) and sleep < 3:
            yield f"{name} stops serving before the nodes know"
        if sleep + DRAIN_SECONDS >= spec.get("terminationGracePeriodSeconds", 30):
            yield f"{name} is killed before it has drained"
        if workload["spec"].get("strategy", {}).get("rollingUpdate") != {
            "maxUnavailable": 0,
            "maxSurge": 1,
        }:
            yield f"{name} goes before its successor is ready"
    for workload in rendered.of_kind("StatefulSet"):
        if workload["spec"].get("persistentVolumeClaimRetentionPolicy") != {
            "whenDeleted": "Retain",
            "whenScaled": "Retain",
        }:
            yield f"{full_name(workload)[1]} forgets when it is deleted"
    for job in rendered.of_kind("Job"):
        if "ttlSecondsAfterFinished" not in job["spec"]:
            yield f"{full_name(job)[1]} stands in the way of its next version for ever"


def resources(rendered: Rendered) -> Iterator[str]:
    """Each container asks for what it needs and has a limit of memory, and none of CPU."""
    for workload in rendered.workloads:
        for container in containers_of(workload):
            asked = container.get("resources", {})
            if set(asked.get("requests", ())) != {"cpu", "memory"}:
                yield f"{container['name']} does not say what it needs"
            if set(asked.get("limits", ())) != {"memory"}:
                yield f"{container['name']} has limits of {sorted(asked.get('limits', ()))}"


def requested(rendered: Rendered) -> tuple[float, float]:
    """Cores and bytes that all pods of ours ask for together."""
    cores = size_bytes = 0.0
    for workload in rendered.workloads:
        requests = pod_of(workload)["spec"]["containers"][0]["resources"]["requests"]
        replicas = workload["spec"].get("replicas", 1)
        cores += quantity(requests["cpu"]) * replicas
        size_bytes += quantity(requests["memory"]) * replicas
    return cores, size_bytes


def labels(rendered: Rendered) -> Iterator[str]:
    """Each pod carries the recommended labels, and the container is named as its workload."""
    for workload in rendered.workloads:
        name, had = full_name(workload)[1], labels_of(workload)
        if had.get("app") != name or had.get("app.kubernetes.io/name") != name:
            yield f"{name} is not labelled with its name"
        if had.get("app.kubernetes.io/part-of") != "bookpay":
            yield f"{name} belongs to nothing"
        for label in ("component", "version", "managed-by"):
            if f"app.kubernetes.io/{label}" not in had:
                yield f"{name} has no label {label}"
        if pod_of(workload)["spec"]["containers"][0]["name"] != name:
            yield f"{name}'s container is not named after it"
        if full_name(workload)[0] not in (PAYMENTS, KAFKA):
            yield f"{name} is in no namespace of ours"


RULES: Final = (restricted, images, probes, endings, resources, labels)
