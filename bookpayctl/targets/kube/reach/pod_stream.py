"""One connection to a port of a pod, through the API server's port-forward over a websocket."""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import ssl
import time
from typing import Final

from bookpayctl.targets.filter import Filter, Unchanged
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.kinds import POD

CONNECT_SECONDS_MAX: Final = 10.0
_CHUNK_BYTES: Final = 256 * 1024

# The websocket's channels for the one port that is asked for.
_DATA: Final = 0
_ERROR: Final = 1


class StreamError(ClusterError):
    """The pod's port could not be reached, or the way to it broke."""

    reason = "no_way_to_pod"


class PodStream:
    """See the module. One thread at a time."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        """Open it.

        Raises:
            StreamError: no such pod, or nobody let us through.
        """
        import websocket
        from kubernetes.stream.ws_client import create_websocket, get_websocket_url

        path = POD.path(namespace, pod, "portforward")
        url = get_websocket_url(f"{cluster.server}{path}", [("ports", str(port))])
        headers = {
            **{name.lower(): value for name, value in cluster.headers(path).items()},
            "sec-websocket-protocol": "v4.channel.k8s.io",
        }
        # The client gives no way to bound its handshake but this one.
        websocket.setdefaulttimeout(CONNECT_SECONDS_MAX)
        try:
            self._websocket = create_websocket(cluster.configuration, url, headers)
        except (websocket.WebSocketException, OSError, ssl.SSLError) as error:
            raise StreamError(f"no way to port {port} of pod {namespace}/{pod}: {error}") from error
        self._where = f"port {port} of pod {namespace}/{pod}"
        self._announced: set[int] = set()
        self.error = ""

    def carry(self, conn: socket.socket, passing: Filter) -> None:
        """Carry bytes both ways until one side ends; both are closed then."""
        try:
            with selectors.DefaultSelector() as waiting:
                waiting.register(conn, selectors.EVENT_READ)
                waiting.register(self._websocket.sock, selectors.EVENT_READ)
                while self._carry_what_came(waiting, conn, passing):
                    pass
        finally:
            with contextlib.suppress(OSError):
                conn.close()
            self.close()

    def is_refused(self, *, within_seconds: float) -> bool:
        """Whether the kubelet says that nobody listens at the port, or hangs up."""
        mine, theirs = socket.socketpair()
        ends_at = time.monotonic() + within_seconds
        with mine, theirs:
            while (left := ends_at - time.monotonic()) > 0:
                readable, _, _ = select.select([self._websocket.sock], [], [], left)
                if readable and not self._receive(theirs, Unchanged()):
                    return True
                if select.select([mine], [], [], 0)[0]:
                    # It spoke first, as a mail server does.
                    return False
        return False

    def close(self) -> None:
        import websocket

        # A broken one hears no good-bye; its socket is closed all the same.
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self._websocket.close(timeout=0)
        self._websocket.shutdown()

    def _carry_what_came(
        self, waiting: selectors.BaseSelector, conn: socket.socket, passing: Filter
    ) -> bool:
        """Wait until one side says something and carry it; whether more may come."""
        readable = {key.fileobj for key, _ in waiting.select()}
        if conn in readable:
            data = conn.recv(_CHUNK_BYTES)
            if not data or not self._send(passing.outward(data)):
                return False
        if self._websocket.sock in readable:
            return self._receive(conn, passing)
        return True

    def _send(self, data: bytes) -> bool:
        import websocket

        try:
            self._websocket.send(bytes([_DATA]) + data, opcode=websocket.ABNF.OPCODE_BINARY)
        except (websocket.WebSocketException, OSError):
            return False
        return True

    def _receive(self, conn: socket.socket, passing: Filter) -> bool:
        """Carry what has come; whether more may."""
        import websocket

        while True:
            try:
                opcode, frame = self._websocket.recv_data_frame(control_frame=True)
            except (websocket.WebSocketException, OSError):
                return False
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return False
            if opcode == websocket.ABNF.OPCODE_BINARY and not self._deliver(
                frame.data, conn, passing
            ):
                return False
            # What TLS has taken off the socket already, select does not see.
            sock = self._websocket.sock
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return True

    def _deliver(self, message: bytes, conn: socket.socket, passing: Filter) -> bool:
        channel, data = message[0], message[1:]
        if channel not in self._announced:
            # The first message of each channel says which port it is for.
            self._announced.add(channel)
            return True
        if channel == _ERROR:
            self.error = data.decode("utf-8", "replace")
            return False
        inward = passing.inward(data)
        if inward:
            conn.sendall(inward)
        return True
