"""One environment in a cluster, looked at and acted on through the API server.

The kubelet is the parent of every process: what it tells of a container's end is the evidence.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Final

from bookpayctl.clients.http import HttpAnswer, NoAnswer, ask
from bookpayctl.runs import directory
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import (
    ClusterAct,
    Eviction,
    Node,
    PostgresInstances,
)
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import NoSuchProcessError, TargetError
from bookpayctl.targets.kube import diversion, logs, nodes, permissions, rolling, secrets, witnesses
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ClusterError, ForbiddenError
from bookpayctl.targets.kube.kinds import NAMESPACE, POD
from bookpayctl.targets.kube.manifests import DRILLS_ALLOWED, DRILLS_LABEL
from bookpayctl.targets.kube.pods import (
    any_port,
    frozen_incarnation,
    http_port,
    is_leaving,
    is_ours,
    process_of,
    service_named,
    service_of,
    sorted_by_name,
    stopped_names,
    stopped_processes,
)
from bookpayctl.targets.kube.postgres_instances import read_instances
from bookpayctl.targets.kube.reach.pod_stream import PodStream
from bookpayctl.targets.kube.reach.ways import Ways
from bookpayctl.targets.kube.record import PodWatch
from bookpayctl.targets.kube.reservation import reserved
from bookpayctl.targets.kube.signalling import note_frozen, run_beside, send_signal
from bookpayctl.targets.kube.status import read_status
from bookpayctl.targets.kube.workloads import Workload, keeper_of, start_pods, stop_pods, workloads
from bookpayctl.targets.link import DiversionState
from bookpayctl.targets.log_lines import LogLine
from bookpayctl.targets.signing_secrets import SigningSecrets
from bookpayctl.targets.status import Status
from bookpayctl.targets.target import Finished, Mark, Process, ProcessEvents
from bookpayctl.targets.toxic import Toxic
from bookpayctl.targets.witness import Witness

ASK_SECONDS_MAX: Final = 5.0
STOP_SECONDS_MAX: Final = 90.0

# How long the kubelet may take to say that nobody listens.
_REFUSED_SECONDS_MAX: Final = 2.0


class KubeTarget:
    """See `Target` and `ClusterTarget`."""

    def __init__(
        self,
        environment: Environment,
        cluster: Cluster,
        ways: Ways,
        namespaces: tuple[str, ...],
    ) -> None:
        self._environment = environment
        self._cluster = cluster
        self._ways = ways
        self._namespaces = namespaces

    @property
    def environment(self) -> Environment:
        return self._environment

    def reserve(self, run_id: str) -> AbstractContextManager[None]:
        return reserved(
            self._cluster,
            self._namespaces[0],
            self._environment.name,
            run_id,
            partial(directory.is_dead, self._environment.runs_dir),
        )

    def why_not_broken(self) -> str | None:
        for name in self._namespaces:
            found = self._cluster.find(NAMESPACE, name) or {}
            labels = found.get("metadata", {}).get("labels") or {}
            if labels.get(DRILLS_LABEL) != DRILLS_ALLOWED:
                return (
                    f"namespace {name} does not allow drills; whoever owns it does:"
                    f" kubectl label namespace {name} {DRILLS_LABEL}={DRILLS_ALLOWED}"
                )
        return None

    def status(self) -> Status:
        return read_status(self._environment, self._cluster, self._ways, self._namespaces)

    def signing_secrets(self) -> SigningSecrets | None:
        return secrets.signing_secrets(self._cluster, self._namespaces)

    def processes(self) -> dict[str, Process]:
        found = [process_of(pod) for pod in self._pods()]
        for workload in workloads(self._cluster, self._namespaces):
            found += stopped_processes(workload.document)
        return {process.name: process for process in sorted_by_name(found)}

    def kill(self, process: str) -> str | None:
        pods = self._named_or_stopped(process)
        if not pods or not process_of(pods[0]).running:
            return None
        pod = pods[0]
        killed = process_of(pod).incarnation
        send_signal(self._cluster, pod, signal.SIGKILL)
        return killed

    def stop(self, process: str) -> None:
        # None of them, if stopped already: that is stopped.
        names = [pod["metadata"]["name"] for pod in self._named_or_stopped(process)]
        for keeper, kept in self._keepers(names).values():
            stop_pods(self._cluster, keeper, kept)
        gone = wait_until(
            lambda: [name for name in names if self._find(name) is not None],
            lambda left: not left,
            deadline_seconds=STOP_SECONDS_MAX,
        )
        if not gone.reached:
            left = ", ".join(gone.value)
            raise TargetError(f"{left} is still there after {STOP_SECONDS_MAX:.0f} s")

    def start(self, process: str) -> None:
        stopped = self._workloads_without(process)
        if not stopped and not self._named(process):
            raise self._unknown(process)
        for workload in stopped:
            listed = stopped_names(workload.document)
            start_pods(self._cluster, workload, [process] if process in listed else listed)

    def freeze(self, process: str) -> None:
        pod = self._one(process)
        # Before it is done: whoever dies in between leaves word of it.
        note_frozen(self._cluster, pod, process_of(pod).incarnation)
        send_signal(self._cluster, pod, signal.SIGSTOP)

    def thaw(self, process: str) -> None:
        pod = self._one(process)
        frozen = frozen_incarnation(pod)
        if frozen is None:
            return
        if process_of(pod).incarnation == frozen:
            send_signal(self._cluster, pod, signal.SIGCONT)
        note_frozen(self._cluster, pod, None)

    def why_not_permitted(self, acts: Iterable[ClusterAct]) -> str | None:
        deeds = permissions.deeds_of_acts(acts, self._namespaces)
        try:
            permissions.refuse_without(self._cluster, deeds)
        except ForbiddenError as error:
            return str(error)
        return None

    def delete(self, process: str, *, grace_seconds: int) -> str:
        pod = self._one(process)
        meta, deleted = pod["metadata"], process_of(pod).incarnation
        if deleted is None:
            raise NoSuchProcessError(f"{process} does not run, so its end would show nothing")
        self._cluster.delete(
            POD, meta["name"], meta["namespace"], grace_seconds=grace_seconds, uid=meta["uid"]
        )
        return deleted

    def revisions(self, service: str) -> dict[str, str]:
        return {kept.name: rolling.revision_of(kept) for kept in self._workloads_of(service)}

    def roll(self, service: str, *, deadline_seconds: float) -> None:
        for workload in self._workloads_of(service):
            now = self._cluster.now()
            rolling.roll(self._cluster, workload, now, deadline_seconds=deadline_seconds)

    def nodes(self) -> list[Node]:
        return nodes.nodes_with(self._cluster, self._pods())

    def cordon(self, node: str) -> None:
        nodes.set_schedulable(self._cluster, node, schedulable=False)

    def uncordon(self, node: str) -> None:
        nodes.set_schedulable(self._cluster, node, schedulable=True)

    def evict(self, process: str) -> Eviction:
        pod = self._find(process)
        return Eviction.GONE if pod is None else nodes.evict(self._cluster, pod)

    def divert(self, service: str) -> DiversionState:
        found = diversion.find_service(self._cluster, self._namespaces, service)
        ours = next((pod for pod in self._pods() if not process_of(pod).is_server), None)
        if ours is None:
            raise NoSuchProcessError(f"environment {self._where} runs no service of ours")
        name = self._environment.name
        return diversion.divert(self._cluster, self._ways, found, ours, name)

    def set_toxic(self, service: str, toxic: Toxic | None) -> DiversionState:
        place = self._place_of(service)
        return diversion.set_toxic(self._cluster, self._ways, *place, toxic)

    def diversion(self, service: str) -> DiversionState:
        return diversion.state(self._cluster, self._ways, *self._place_of(service))

    def restore_service(self, service: str) -> None:
        diversion.restore(self._cluster, *self._place_of(service))

    def postgres_instances(self) -> PostgresInstances | None:
        return read_instances(self._cluster, self._namespaces)

    def listen(self, process: str) -> Witness:
        return witnesses.listen_to(self._cluster, self._one(process))

    def place_witness(self, process: str, arguments: Sequence[str]) -> Witness:
        return witnesses.place_in(self._cluster, self._one(process), arguments)

    def mark(self) -> Mark:
        self._watch.catch_up()
        now = datetime.now(UTC)
        return Mark(len(self._watch.record), {"microseconds": round(now.timestamp() * 1e6)})

    def events(self, since: Mark) -> ProcessEvents:
        self._watch.catch_up()
        return self._watch.record.since(since.record)

    def log_since(self, process: str, since: Mark) -> list[str]:
        begin = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=since.logs["microseconds"])
        return [
            raw
            for place in self._places([process])
            for _, raw in logs.lines_since(self._cluster, *place, begin)
        ]

    def log_lines(self, processes: Iterable[str]) -> Iterator[LogLine]:
        return logs.read_all(self._cluster, self._places(processes))

    def follow(self, processes: Iterable[str]) -> Iterator[LogLine]:
        return logs.follow(self._cluster, self._places(processes))

    def accepts_connections(self, process: str) -> bool:
        return any(self._listens(pod) for pod in self._named_or_stopped(process))

    def ask(self, process: str, path: str) -> HttpAnswer:
        pod = self._find(process)
        port = None if pod is None else http_port(pod)
        if pod is None or port is None:
            return HttpAnswer(None, missing=NoAnswer.NOT_SENT, error="it has no port")
        local = self._ways.to_pod(pod["metadata"]["namespace"], process, port)
        return ask("GET", f"http://127.0.0.1:{local}{path}", timeout_seconds=ASK_SECONDS_MAX)

    def run_once(
        self, service: str, arguments: Sequence[str], *, deadline_seconds: float
    ) -> Finished:
        running = [pod for pod in self._named(service) if process_of(pod).running]
        if not running:
            raise NoSuchProcessError(f"environment {self._where} runs no {service}")
        pod = running[0]
        # Its own name and port; a drill's failpoints are for the ones that do the work.
        variables = (
            f"BOOKPAY_PROCESS_NAME={service}-once",
            f"BOOKPAY_HTTP_PORT={_FREE_IN_POD}",
            "BOOKPAY_FAILPOINTS=off",
        )
        program = ("python3", "-P", "-m", "runtime", service, *arguments)
        command = ["env", *variables, *program]
        return run_beside(self._cluster, pod, command, deadline_seconds=deadline_seconds)

    @cached_property
    def _watch(self) -> PodWatch:
        return PodWatch(self._cluster, self._namespaces)

    @property
    def _where(self) -> str:
        return repr(self._environment.name)

    def _pods(self) -> list[Document]:
        """The pods of the stack, but those whose job is done."""
        return [
            pod
            for namespace in self._namespaces
            for pod in self._cluster.objects(POD, namespace)
            if is_ours(pod) and (pod.get("status") or {}).get("phase") not in _OVER
        ]

    def _named(self, name: str) -> list[Document]:
        """The pods of a process, or of a service or server."""
        pods = self._pods()
        exact = [pod for pod in pods if pod["metadata"]["name"] == name]
        return exact or [pod for pod in pods if service_of(pod) == name and not is_leaving(pod)]

    def _named_or_stopped(self, name: str) -> list[Document]:
        """As `_named`; none for what a run stopped.

        Raises:
            NoSuchProcessError: nothing bears that name.
        """
        pods = self._named(name)
        if not pods and not self._workloads_without(name):
            raise self._unknown(name)
        return pods

    def _find(self, process: str) -> Document | None:
        return next((pod for pod in self._pods() if pod["metadata"]["name"] == process), None)

    def _one(self, process: str) -> Document:
        """The pod of a process, or the first one of a service."""
        pods = self._named(process)
        if not pods:
            raise self._unknown(process)
        return pods[0]

    def _workloads_without(self, name: str) -> list[Workload]:
        """The workloads that lost a process of this name, or processes of this service."""
        return [
            workload
            for workload in workloads(self._cluster, self._namespaces)
            if (listed := stopped_names(workload.document))
            and name in (*listed, workload.name, service_named(workload.name))
        ]

    def _workloads_of(self, service: str) -> list[Workload]:
        """What keeps the processes of a service or server, each of its roles."""
        found = [
            workload
            for workload in workloads(self._cluster, self._namespaces)
            if service in (workload.name, service_named(workload.name))
        ]
        if not found:
            raise self._unknown(service)
        return found

    def _place_of(self, service: str) -> tuple[str, str]:
        found = diversion.find_service(self._cluster, self._namespaces, service)
        return found["metadata"]["namespace"], service

    def _keepers(self, names: list[str]) -> dict[str, tuple[Workload, list[str]]]:
        """What keeps these pods, by its uid, each with those of them that it keeps."""
        found: dict[str, tuple[Workload, list[str]]] = {}
        for name in names:
            pod = self._find(name)
            keeper = None if pod is None else keeper_of(self._cluster, pod)
            if keeper is None:
                raise TargetError(f"{name} is kept by an operator; it cannot be stopped by scaling")
            uid = keeper.document["metadata"]["uid"]
            found.setdefault(uid, (keeper, []))[1].append(name)
        return found

    def _unknown(self, process: str) -> NoSuchProcessError:
        return NoSuchProcessError(f"environment {self._where} has no process {process}")

    def _places(self, processes: Iterable[str]) -> list[tuple[str, str, str]]:
        wanted = set(processes)
        return [
            (
                pod["metadata"]["namespace"],
                pod["metadata"]["name"],
                pod["spec"]["containers"][0]["name"],
            )
            for pod in self._pods()
            if pod["metadata"]["name"] in wanted or service_of(pod) in wanted
        ]

    def _listens(self, pod: Document) -> bool:
        port = any_port(pod)
        if port is None:
            raise NoSuchProcessError(f"{pod['metadata']['name']} has no port")
        try:
            stream = PodStream(
                self._cluster, pod["metadata"]["namespace"], pod["metadata"]["name"], port
            )
        except ClusterError:
            return False
        try:
            return not stream.is_refused(within_seconds=_REFUSED_SECONDS_MAX)
        finally:
            stream.close()


_OVER: Final = frozenset({"Succeeded", "Failed"})

# In a pod of its own network nobody else listens there.
_FREE_IN_POD: Final = 18_080
