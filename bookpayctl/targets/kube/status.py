"""What runs in the cluster, asked now: the API server, every process itself, broker, database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from bookpayctl.targets.asked import lags_of, ledger_of, status_of
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.kube.pods import (
    any_port,
    container_status,
    http_port,
    is_ours,
    is_ready,
    process_of,
    service_of,
    state_of,
    stopped_processes,
    uptime_seconds,
)
from bookpayctl.targets.kube.reach.ways import Ways
from bookpayctl.targets.kube.reasons import why_not_ready
from bookpayctl.targets.kube.workloads import workloads
from bookpayctl.targets.readiness import ASK_ONCE_SECONDS_MAX, ReadinessAnswer, http_readiness
from bookpayctl.targets.status import ProcessStatus, Status, UnknownFact
from bookpayctl.targets.target import Process
from runtime.domain.names import TOPICS_OF_GROUP

_ASKING_AT_ONCE: Final = 16

# A service and its role: only the consumers of orders-service are in its group.
_NOT_IN_GROUP: Final = "orders-service"


def read_status(
    environment: Environment, cluster: Cluster, ways: Ways, namespaces: tuple[str, ...]
) -> Status:
    """Ask everybody. Never raises for a part that is down or mute: that is the answer."""
    with ThreadPoolExecutor(max_workers=_ASKING_AT_ONCE) as pool:
        lags = pool.submit(lags_of, environment)
        ledger = pool.submit(ledger_of, environment)
        notes: tuple[str, ...] = ()
        try:
            pods = [
                pod for space in namespaces for pod in cluster.objects(POD, space) if is_ours(pod)
            ]
            stopped = [
                process
                for workload in workloads(cluster, namespaces)
                for process in stopped_processes(workload.document)
            ]
        except ClusterError as error:
            pods, stopped, notes = [], [], (str(error),)
        answers = list(pool.map(lambda pod: _asked(ways, pod), pods))
        facts, group = ledger.result(), lags.result()
    now = datetime.now(UTC)
    running = [_status(pod, answer, group, now) for pod, answer in zip(pods, answers, strict=True)]
    everything = [*running, *map(_stopped, stopped)]
    return status_of(
        environment,
        tuple(sorted(everything, key=lambda one: (one.service, one.name))),
        facts,
        notes,
    )


def _asked(ways: Ways, pod: Document) -> ReadinessAnswer:
    """What the process itself says; of one without HTTP, what the kubelet found."""
    port = http_port(pod)
    if not process_of(pod).running:
        return ReadinessAnswer(False, why_not_ready(pod))
    if port is None:
        return ReadinessAnswer(is_ready(pod), "" if is_ready(pod) else why_not_ready(pod))
    meta = pod["metadata"]
    local = ways.to_pod(meta["namespace"], meta["name"], port)
    return http_readiness(local, seconds=ASK_ONCE_SECONDS_MAX)


def _status(
    pod: Document, answer: ReadinessAnswer, lags: dict[str, int] | UnknownFact, now: datetime
) -> ProcessStatus:
    process, service = process_of(pod), service_of(pod) or ""
    lag: int | UnknownFact | None = None
    if service in TOPICS_OF_GROUP and pod["metadata"]["labels"].get("app") != _NOT_IN_GROUP:
        lag = lags if isinstance(lags, UnknownFact) else lags[service]
    ready = UnknownFact(answer.detail) if answer.ready is None else answer.ready
    return ProcessStatus(
        name=process.name,
        service=service,
        state="running" if process.running else state_of(pod),
        pid=None,
        uptime_seconds=uptime_seconds(pod, now),
        restarts=container_status(pod).get("restartCount", 0),
        port=http_port(pod) or any_port(pod),
        ready=ready if process.running else False,
        detail=answer.detail,
        lag=lag,
    )


def _stopped(process: Process) -> ProcessStatus:
    return ProcessStatus(
        name=process.name,
        service=process.service,
        state="stopped",
        pid=None,
        uptime_seconds=None,
        restarts=0,
        port=None,
        ready=False,
        detail="stopped by a run",
        lag=None,
    )
