"""A Kubernetes cluster as a platform: namespaces of an environment, through one context."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from bookpayctl.targets import credentials
from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import (
    Environment,
    EnvironmentMissingError,
    ProcessSpec,
    environment_root,
)
from bookpayctl.targets.kube.addresses import KAFKA_NAMESPACE, NAMESPACE
from bookpayctl.targets.kube.attach import Attachment, attach, is_attached
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.connecting import open_cluster
from bookpayctl.targets.kube.contexts import allowed_contexts
from bookpayctl.targets.kube.doctor import examine, examine_attached
from bookpayctl.targets.kube.down import remove
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.kube.operators.removal import remove_operators
from bookpayctl.targets.kube.options import read_options
from bookpayctl.targets.kube.pods import http_port, is_ours, service_of
from bookpayctl.targets.kube.reach.ways import Ways, reach
from bookpayctl.targets.kube.target import KubeTarget
from bookpayctl.targets.kube.up import bring_up
from bookpayctl.targets.lock import environment_lock, lock_file
from bookpayctl.targets.platform import Examination, UpStep, Watch
from bookpayctl.targets.settings import Value, environment_name
from bookpayctl.targets.target import Target


class KubePlatform:
    """See `Platform`. Each environment has one cluster and its ways, while the command lives."""

    def bring_up(
        self, values: Mapping[str, Value], environ: Mapping[str, str], watch: Watch
    ) -> Environment:
        options = read_options(values, environ)
        cluster = open_cluster(options.context)
        with environment_lock(
            lock_file(options.name),
            "up",
            timeout_seconds=options.timeout_seconds,
            waiting=watch.waiting,
        ):
            return bring_up(cluster, options, environment_root(options.name), watch.step)

    def attach(self, values: Mapping[str, Value], namespace: str, tenant_id: str) -> Environment:
        """Take over a stack that somebody else deployed; see `attach`."""
        name = environment_name(values)
        wanted = Attachment(
            name=name,
            namespace=namespace,
            tenant_id=tenant_id,
            allowed=allowed_contexts(values["kube_contexts"].text),
            kafka=credentials.brought_for_kafka(os.environ),
        )
        cluster = open_cluster(values["context"].text or None)
        with environment_lock(lock_file(name), "attach", timeout_seconds=0.0, waiting=_nobody):
            return attach(cluster, wanted, environment_root(name))

    def take_down(
        self, name: str, *, timeout_seconds: float, purge: bool, watch: Watch
    ) -> list[str]:
        found = environments.load(name)
        if is_attached(found):
            watch.step(UpStep("down", "somebody else deployed it: it stays, and is forgotten here"))
            environments.remove(found.root)
            return []
        with environment_lock(
            lock_file(name), "down", timeout_seconds=timeout_seconds, waiting=watch.waiting
        ):
            removed = remove_stack(found, timeout_seconds=timeout_seconds, purge=purge, watch=watch)
            if purge:
                environments.remove(found.root)
        return removed

    def examine(self, values: Mapping[str, Value]) -> list[Examination]:
        with suppress(EnvironmentMissingError):
            found = environments.load(environment_name(values))
            if is_attached(found):
                allowed = allowed_contexts(values["kube_contexts"].text)
                return examine_attached(allowed, lambda: _open(found))
        return examine(values)

    def open(self, environment: Environment) -> Target:
        cluster, ways = _shared(environment)
        return KubeTarget(environment, cluster, ways, _namespaces(environment))

    def reach(self, environment: Environment) -> Environment:
        cluster, ways = _shared(environment)
        return with_processes(reach(environment, ways), cluster)


def remove_stack(
    environment: Environment, *, timeout_seconds: float, purge: bool, watch: Watch
) -> list[str]:
    """Remove the stack, and with `purge` the operators that were installed for it.

    Call it with the environment's lock held.
    """
    cluster, deadline = _open(environment), time.monotonic() + timeout_seconds

    def tell(text: str) -> None:
        watch.step(UpStep("down", text))

    spaces = [NAMESPACE, KAFKA_NAMESPACE]
    guests = guest_namespaces(environment)
    removed = remove(cluster, environment.name, spaces, guests, deadline=deadline, tell=tell)
    if purge:
        removed += remove_operators(cluster, environment.name, deadline=deadline, tell=tell)
    return removed


def with_processes(environment: Environment, cluster: Cluster) -> Environment:
    """The environment with the processes that it has at this moment."""
    from dataclasses import replace

    try:
        pods = [pod for space in _namespaces(environment) for pod in cluster.objects(POD, space)]
    except ClusterError:
        # Whoever asks for the processes hears of it; an address can be known without them.
        return environment
    specs = (
        ProcessSpec(pod["metadata"]["name"], service_of(pod) or "", http_port(pod))
        for pod in pods
        if is_ours(pod)
    )
    return replace(environment, processes=tuple(sorted(specs, key=lambda spec: spec.name)))


def guest_namespaces(environment: Environment) -> list[str]:
    """Namespaces of others in which objects of it lie; an older environment's file names none."""
    return [space for space in environment.settings.get("guest_namespaces", "").split(",") if space]


def _nobody(_holder: str) -> None:
    """Nobody is told: an attach does not wait."""


_opened: Final[dict[str, tuple[Cluster, Ways]]] = {}


def _shared(environment: Environment) -> tuple[Cluster, Ways]:
    """The one connection of this process to an environment's cluster."""
    key = str(environment.root)
    if key not in _opened:
        cluster = _open(environment)
        _opened[key] = (cluster, Ways(cluster))
    return _opened[key]


def _open(environment: Environment) -> Cluster:
    return open_cluster(
        environment.settings.get("context") or None,
        environment.settings.get("kubeconfig") or None,
    )


def _namespaces(environment: Environment) -> tuple[str, ...]:
    return tuple(environment.settings["namespaces"].split(","))
