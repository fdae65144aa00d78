"""TLS to a broker in the cluster, made here in the client's place, for the name it has there.

A client dials a port of this machine, so it would look for 127.0.0.1 in the broker's certificate
and find another name. Here the certificate is checked against the name that the broker has in the
cluster and the authority that was given; between the client and this thread, on the loopback
address of one machine, bytes go in plain text, as its protocol has to be read here anyway.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from typing import Final

from bookpayctl.clients.kafka_look import tls_trouble
from bookpayctl.clients.kafka_wire import NotKafkaError
from bookpayctl.targets.filter import Filter
from bookpayctl.targets.kube.reach.listener import HOST, Listener

_HANDSHAKE_SECONDS_MAX: Final = 10.0
_SEND_SECONDS_MAX: Final = 30.0
_CHUNK_BYTES: Final = 256 * 1024


class TlsRelay(Listener):
    """One such port, before a port of this machine that leads to a broker."""

    def __init__(
        self,
        upstream_port: int,
        server_name: str,
        context: ssl.SSLContext,
        new_filter: Callable[[], Filter],
    ) -> None:
        self._upstream_port = upstream_port
        self._server_name = server_name
        self._context = context
        self._new_filter = new_filter
        self.trouble = ""
        super().__init__("tls")

    def serve(self, conn: socket.socket) -> None:
        """Carry one connection; what TLS says against it is kept for whoever asks why."""
        try:
            with (
                conn,
                socket.create_connection(
                    (HOST, self._upstream_port), _HANDSHAKE_SECONDS_MAX
                ) as plain,
                self._context.wrap_socket(plain, server_hostname=self._server_name) as broker,
            ):
                _carry(conn, broker, self._new_filter())
                self.trouble = ""
        except ssl.SSLError as error:
            self.trouble = f"{tls_trouble(error)}; asked was {self._server_name}"
        except (OSError, NotKafkaError):
            # As with a server that is gone: the client's connection ends, and it dials again.
            return


def _carry(conn: socket.socket, broker: ssl.SSLSocket, passing: Filter) -> None:
    """Carry bytes both ways until one side ends."""
    while True:
        # What TLS has taken off the socket already, select does not see.
        waiting = 0 if broker.pending() else None
        readable, _, _ = select.select([conn, broker], [], [], waiting)
        if conn in readable:
            data = conn.recv(_CHUNK_BYTES)
            if not data:
                return
            broker.settimeout(_SEND_SECONDS_MAX)
            broker.sendall(passing.outward(data))
        if broker in readable or broker.pending():
            # A record of TLS may hold no data at all, such as a ticket: never wait for more.
            broker.settimeout(0)
            try:
                data = broker.recv(_CHUNK_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            if not data:
                return
            inward = passing.inward(data)
            if inward:
                conn.sendall(inward)
