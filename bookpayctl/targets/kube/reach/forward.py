"""A port of this machine that leads to a port in the cluster, for as long as this process lives.

Each connection looks for its pod anew, so the way survives the pod's death: who connects again is
led to the next one. Threads of this process do all of it, so nothing is left when it is gone,
however it went.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.kafka_wire import NotKafkaError
from bookpayctl.targets.filter import Filter, Unchanged
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.reach.listener import Listener
from bookpayctl.targets.kube.reach.pod_stream import PodStream

# One that is not ready any more, one that has just gone: the third is another.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class PodPort:
    """A port of one pod."""

    namespace: str
    pod: str
    port: int


Resolve = Callable[[], PodPort]


class Forward(Listener):
    """A port of this machine, and pod after pod behind it."""

    def __init__(
        self,
        cluster: Cluster,
        resolve: Resolve,
        new_filter: Callable[[], Filter] = Unchanged,
    ) -> None:
        self._cluster = cluster
        self._resolve = resolve
        self._new_filter = new_filter
        self.last_error = ""
        super().__init__("forward")

    def serve(self, conn: socket.socket) -> None:
        try:
            stream = self._open()
        except ClusterError as error:
            self.last_error = str(error)
            # The client learns it as it would from a server that is gone: its connection ends.
            conn.close()
            return
        try:
            stream.carry(conn, self._new_filter())
        except (OSError, NotKafkaError) as error:
            self.last_error = str(error)

    def _open(self) -> PodStream:
        for attempt in range(1, _TRIES + 1):
            try:
                at = self._resolve()
                return PodStream(self._cluster, at.namespace, at.pod, at.port)
            except ClusterError:
                if attempt == _TRIES:
                    raise
        raise AssertionError("every round ends above")
