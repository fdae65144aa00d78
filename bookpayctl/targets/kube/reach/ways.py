"""Every way of one command into the cluster: made when it is asked for, kept while it is needed."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from bookpayctl.clients.kafka_servers import KafkaServers, tls_context, without_tls
from bookpayctl.clients.kafka_wire import Conversation
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.filter import Filter, Unchanged
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.reach.endpoints import behind_service, pod_of_host
from bookpayctl.targets.kube.reach.forward import Forward, PodPort, Resolve
from bookpayctl.targets.kube.reach.listener import HOST
from bookpayctl.targets.kube.reach.tls import TlsRelay

_INSIDE: Final = (".svc", ".svc.cluster.local")


@dataclass(frozen=True, slots=True)
class Dialled:
    """A broker as the cluster knows it; with a context, over TLS."""

    host: str
    namespace: str
    context: ssl.SSLContext | None


class Ways:
    """Local ports that lead to places of one cluster. Safe to share between threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._forwards: dict[tuple[str, str, int], Forward] = {}
        self._relays: dict[tuple[str, str, int], TlsRelay] = {}
        self._lock = threading.Lock()

    def to_service(self, namespace: str, service: str, port: int) -> int:
        """The local port that leads to a pod behind a Service; the Service's port is the pod's."""
        return self._way(
            ("service", f"{namespace}/{service}", port),
            lambda: behind_service(self._cluster, namespace, service, port),
        )

    def to_pod(self, namespace: str, pod: str, port: int) -> int:
        """The local port that leads to a port of one pod, whichever pod has that name then."""
        return self._way(("pod", f"{namespace}/{pod}", port), lambda: PodPort(namespace, pod, port))

    def to_kafka(self, servers: KafkaServers) -> KafkaServers:
        """Local addresses that stand for those of a Kafka, whose brokers then name local ones.

        Where the brokers speak TLS it is made on the way (`tls.py`). A Kafka outside the cluster is
        dialled as it is.
        """
        given = [_host_and_port(server) for server in servers.bootstrap_servers.split(",")]
        if not any(is_inside(host) for host, _ in given):
            return servers
        context = tls_context(servers.security) if servers.is_tls else None
        local = [self._to_broker_service(host, port, context) for host, port in given]
        return KafkaServers(
            ",".join(f"{HOST}:{port}" for port in local),
            without_tls(servers.security) if context else servers.security,
            known_as=servers.bootstrap_servers,
            heard_on_the_way=self._heard_of_tls,
        )

    def _heard_of_tls(self) -> str:
        """Why TLS with a broker failed, of whichever failed last."""
        with self._lock:
            return next((relay.trouble for relay in self._relays.values() if relay.trouble), "")

    def close(self) -> None:
        with self._lock:
            for relay in self._relays.values():
                relay.close()
            for forward in self._forwards.values():
                forward.close()
            self._relays.clear()
            self._forwards.clear()

    def local_url(self, url: str) -> str:
        """The same URL at a local port, where it is one of the cluster; else as it is."""
        parts = urlsplit(url)
        if not is_inside(parts.hostname or ""):
            return url
        service, namespace = service_of_host(parts.hostname or "")
        port = self.to_service(namespace, service, parts.port or 80)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{HOST}:{port}"))

    def _to_broker_service(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        service, namespace = service_of_host(host)
        return self._to_broker(
            ("kafka", f"{namespace}/{service}", port),
            lambda: behind_service(self._cluster, namespace, service, port),
            Dialled(host, namespace, context),
        )

    def _local_broker(self, dialled: Dialled) -> Callable[[str, int], tuple[str, int]]:
        def translate(host: str, port: int) -> tuple[str, int]:
            namespace, pod = pod_of_host(host, dialled.namespace)
            local = self._to_broker(
                ("broker", f"{namespace}/{pod}", port),
                lambda: PodPort(namespace, pod, port),
                replace(dialled, host=host),
            )
            return HOST, local

        return translate

    def _to_broker(self, key: tuple[str, str, int], resolve: Resolve, dialled: Dialled) -> int:
        def conversation() -> Conversation:
            return Conversation(self._local_broker(dialled))

        if dialled.context is None:
            return self._way(key, resolve, conversation)
        port = self._way(key, resolve)
        with self._lock:
            if key not in self._relays:
                self._relays[key] = TlsRelay(port, dialled.host, dialled.context, conversation)
            return self._relays[key].port

    def _way(
        self,
        key: tuple[str, str, int],
        resolve: Resolve,
        new_filter: Callable[[], Filter] = Unchanged,
    ) -> int:
        with self._lock:
            if key not in self._forwards:
                self._forwards[key] = Forward(self._cluster, resolve, new_filter)
            return self._forwards[key].port


def reach(environment: Environment, ways: Ways) -> Environment:
    """The environment with addresses that work from here; what is outside the cluster stays."""
    control = environment.stripe_control_url
    kafka = ways.to_kafka(environment.kafka)
    return replace(
        environment,
        dsn=ways.local_url(environment.dsn),
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        way_to_kafka=kafka,
        stripe_api_base=ways.local_url(environment.stripe_api_base),
        stripe_control_url=None if control is None else ways.local_url(control),
        orders_url=ways.local_url(environment.orders_url),
        gateway_url=ways.local_url(environment.gateway_url),
        webhook_url=ways.local_url(environment.webhook_url),
    )


def is_inside(host: str) -> bool:
    """Whether an address means something only in the cluster."""
    return host.endswith(_INSIDE)


def inside(server: str, namespace: str) -> str:
    """`HOST:PORT` as it is known from everywhere in the cluster, not from one namespace alone.

    A host of the world, or one that is whole already, stays as it is.
    """
    host, colon, port = server.strip().partition(":")
    labels = host.split(".")
    if len(labels) == 1:
        labels.append(namespace)
    if len(labels) == 2:
        labels.append("svc")
    return f"{'.'.join(labels)}{colon}{port}"


def service_of_host(host: str) -> tuple[str, str]:
    """Service and namespace of `SERVICE.NAMESPACE.svc…`.

    Raises:
        ValueError: it is no such address.
    """
    service, _, rest = host.partition(".")
    namespace, _, _ = rest.partition(".")
    if not namespace:
        raise ValueError(f"{host!r} is not SERVICE.NAMESPACE.svc")
    return service, namespace


def _host_and_port(server: str) -> tuple[str, int]:
    host, _, port = server.strip().rpartition(":")
    return host, int(port)
