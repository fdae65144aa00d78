"""What pods and what keeps them say about processes. Pure: documents in, values out.

A process is the first container of a pod that is no job's; its name is the pod's, as leases and
logs have it. An incarnation is one run of that container.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bookpayctl.targets.kube.cluster import Document
from bookpayctl.targets.target import Process, ProcessEnd
from runtime.domain.names import Service

STOPPED_ANNOTATION: Final = "bookpay.dev/stopped"
"""On what keeps pods: JSON list of the processes that a run stopped, to be started again."""

FROZEN_ANNOTATION: Final = "bookpay.dev/frozen"
"""On a pod: which run of its container was frozen, to be thawed again."""

_SERVICES: Final = frozenset(service.value for service in Service)
_SERVERS: Final = frozenset({"postgres", "kafka", "stripe-twin", "stripe-tap", "mail-sink"})
SERVER_LABEL: Final = "bookpay.dev/server"
_CNPG_LABEL: Final = "cnpg.io/cluster"

# A shell tells 137 for a process that signal 9 ended, and so does a container's runtime.
_SIGNALLED: Final = 128
_SIGNALS: Final = {9: "SIGKILL", 15: "SIGTERM", 2: "SIGINT", 6: "SIGABRT", 11: "SIGSEGV"}


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """One run of a container, as the kubelet tells of it.

    Attributes:
        end: None while it runs.
    """

    incarnation: str
    end: ProcessEnd | None


def is_ours(pod: Document) -> bool:
    """Whether a pod is a process of the stack: one of our services, or a server of its own."""
    owners = pod["metadata"].get("ownerReferences") or []
    return service_of(pod) is not None and not any(owner["kind"] == "Job" for owner in owners)


def is_operators_postgres(pod: Document) -> bool:
    """Whether it is an instance of CloudNativePG's: of an image that is not ours."""
    return _CNPG_LABEL in (pod["metadata"].get("labels") or {})


def service_of(pod: Document) -> str | None:
    """The service whose process it is, or the name of the server; None when it is neither."""
    labels = pod["metadata"].get("labels") or {}
    named = labels.get(SERVER_LABEL) or labels.get("app") or labels.get("app.kubernetes.io/name")
    return service_named(named or "")


def service_named(name: str) -> str | None:
    """The service or server of a workload's name; the two roles of a service are one."""
    if name in _SERVERS:
        return name
    role = name.removesuffix("-consumer").removesuffix("-http")
    return role if role in _SERVICES else None


def process_of(pod: Document) -> Process:
    """The process of one pod."""
    status = container_status(pod)
    running = "running" in (status.get("state") or {}) and not is_leaving(pod)
    return Process(
        name=pod["metadata"]["name"],
        service=service_of(pod) or "",
        state=state_of(pod),
        running=running,
        ended=False,
        incarnation=incarnation(pod, status.get("restartCount", 0)) if running else None,
    )


def stopped_processes(workload: Document) -> list[Process]:
    """The processes that a run stopped, which stay away until somebody starts them."""
    service = service_named(workload["metadata"]["name"]) or ""
    return [
        Process(name, service, "Stopped", running=False, ended=True, incarnation=None)
        for name in stopped_names(workload)
    ]


def stopped_names(workload: Document) -> list[str]:
    """What the annotation lists; an annotation of somebody else's making lists nothing."""
    annotations = workload["metadata"].get("annotations") or {}
    try:
        listed = json.loads(annotations.get(STOPPED_ANNOTATION) or "[]")
    except ValueError:
        return []
    return [str(name) for name in listed] if isinstance(listed, list) else []


def container_status(pod: Document) -> Document:
    """What the kubelet says of the process's container; empty before it says anything."""
    wanted = pod["spec"]["containers"][0]["name"]
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((status for status in statuses if status["name"] == wanted), {})


def is_leaving(pod: Document) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def state_of(pod: Document) -> str:
    """One word for what the process is at, in Kubernetes' own terms."""
    if is_leaving(pod):
        return "Terminating"
    state = container_status(pod).get("state") or {}
    for kind in ("waiting", "terminated"):
        if kind in state:
            return str(state[kind].get("reason") or kind.capitalize())
    if "running" in state:
        return "Running"
    return str((pod.get("status") or {}).get("phase") or "Pending")


def incarnation(pod: Document, restarts: int) -> str:
    """Which run of which pod: both change when it is another one."""
    return f"{pod['metadata']['uid'][:8]}.{restarts}"


def runs_of(pod: Document) -> list[ContainerRun]:
    """The runs that the kubelet still tells of, oldest first: the last one and the one before."""
    status, name = container_status(pod), pod["metadata"]["name"]
    restarts = status.get("restartCount", 0)
    runs = []
    before = (status.get("lastState") or {}).get("terminated")
    if before is not None and restarts:
        runs.append(ContainerRun(incarnation(pod, restarts - 1), _end(name, before)))
    state = status.get("state") or {}
    if "running" in state:
        runs.append(ContainerRun(incarnation(pod, restarts), None))
    elif "terminated" in state:
        runs.append(ContainerRun(incarnation(pod, restarts), _end(name, state["terminated"])))
    return runs


def is_ready(pod: Document) -> bool:
    """What the kubelet found when it last asked."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return not is_leaving(pod) and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )


def uptime_seconds(pod: Document, now: datetime) -> float | None:
    """How long the process has run; None when it does not."""
    running = (container_status(pod).get("state") or {}).get("running")
    if not running or not running.get("startedAt"):
        return None
    return (now - instant(running["startedAt"])).total_seconds()


def instant(text: str) -> datetime:
    """A time as the API server writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)


def http_port(pod: Document) -> int | None:
    """Where it serves HTTP, probes and metrics; None when it has no such port.

    What is not asked over HTTP is no process of ours: an operator's server shows metrics and no
    readiness.
    """
    if SERVER_LABEL in (pod["metadata"].get("labels") or {}):
        return None
    ports = pod["spec"]["containers"][0].get("ports") or []
    by_name = {port.get("name"): port["containerPort"] for port in ports}
    return by_name.get("http") or by_name.get("metrics")


def any_port(pod: Document) -> int | None:
    """The first port of its container, whatever it speaks."""
    ports = pod["spec"]["containers"][0].get("ports") or []
    return ports[0]["containerPort"] if ports else None


def frozen_incarnation(pod: Document) -> str | None:
    """The run of the container that a fault froze; None when none did."""
    annotations = pod["metadata"].get("annotations") or {}
    found = annotations.get(FROZEN_ANNOTATION)
    return None if found is None else str(found)


def sorted_by_name(processes: Iterable[Process]) -> list[Process]:
    return sorted(processes, key=lambda process: (process.service, process.name))


def _end(process: str, terminated: Document) -> ProcessEnd:
    """How it ended.

    A program that leaves with 137 and one that signal 9 ended look alike here, so it is told as
    both. A container that used too much memory was not killed by us, and says so.
    """
    code = int(terminated.get("exitCode", 0))
    if terminated.get("reason") == "OOMKilled":
        return ProcessEnd(process, code, "OOMKilled")
    signal = terminated.get("signal") or (code - _SIGNALLED if code > _SIGNALLED else 0)
    return ProcessEnd(process, code, _SIGNALS.get(signal, f"signal {signal}") if signal else None)
