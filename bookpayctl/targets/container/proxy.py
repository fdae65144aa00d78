"""A proxy for a drill, in front of a service: it lets everything pass until it is told otherwise.

What it is told comes by HTTP to a port of 127.0.0.1: in a cluster it is reached by a port-forward,
and by nothing else. It keeps no byte of what it carries. It reads none either, but for Kafka: a
broker tells its clients where to go, and would lead them past the proxy.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from bookpayctl.clients.kafka_wire import Conversation
from bookpayctl.targets.container.passage import (
    CONNECT_SECONDS_MAX,
    Gate,
    serve,
)
from bookpayctl.targets.filter import Filter, Unchanged
from bookpayctl.targets.toxic import Toxic, parse_toxic

LOOPBACK: Final = "127.0.0.1"
EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a pod's own; who may come in is the network's to say
_BACKLOG: Final = 512
_DOCUMENT_BYTES_MAX: Final = 4_096
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Connections to `port` go to `host:to_port`, looked up anew for each.

    Attributes:
        is_kafka: there is one broker, which is told to be where the proxy is.
    """

    port: int
    host: str
    to_port: int
    is_kafka: bool = False

    def new_filter(self) -> Filter:
        return Conversation(lambda _host, _port: (LOOPBACK, self.port)) if self.is_kafka else _AS_IS


_AS_IS: Final = Unchanged()


def parse_forwarding(text: str, *, is_kafka: bool = False) -> Forwarding:
    """Read `PORT=HOST:PORT`.

    Raises:
        ValueError: it is none.
    """
    port, _, to = text.partition("=")
    host, _, to_port = to.rpartition(":")
    if not host:
        raise ValueError(f"{text!r} is not PORT=HOST:PORT")
    return Forwarding(int(port), host, int(to_port), is_kafka)


def run(
    forwardings: Sequence[Forwarding],
    control_port: int,
    say: Callable[[str], None],
    *,
    host: str = EVERY_ADDRESS,
) -> None:
    """Serve until TERM or INT; connections that are open then end with the process.

    Args:
        host: the address to listen on; the control port is on 127.0.0.1 in any case.

    Raises:
        OSError: a port is taken.
    """
    # Blocked before the threads begin, which inherit it: they are for the line below.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    gate = Gate()
    for forwarding in forwardings:
        listener = socket.create_server((host, forwarding.port), backlog=_BACKLOG)
        threading.Thread(
            target=serve,
            args=(gate, listener, partial(_dial, forwarding), forwarding.new_filter),
            daemon=True,
        ).start()
        say(f"{forwarding.port} leads to {forwarding.host}:{forwarding.to_port}")
    control = control_server(gate, control_port)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    signal.sigwait(_STOPS)


def control_server(gate: Gate, port: int) -> ThreadingHTTPServer:
    """`GET /state` tells of the gate; `PUT /toxic` with a toxic's document, and `DELETE /toxic`,
    change it and tell, too.
    """

    class Control(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/state":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self._tell()

        def do_PUT(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            try:
                told = json.loads(self.rfile.read(min(size, _DOCUMENT_BYTES_MAX)))
                toxic = parse_toxic(told)
            except (ValueError, TypeError) as error:
                self.send_error(HTTPStatus.BAD_REQUEST, explain=str(error))
                return
            self._change(toxic)

        def do_DELETE(self) -> None:
            self._change(None)

        def _change(self, toxic: Toxic | None) -> None:
            if self.path != "/toxic":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            try:
                gate.change(toxic)
            except TimeoutError as error:
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            else:
                self._tell()

        def log_message(self, *_words: Any) -> None:
            """Nothing: whoever asks has a journal."""

        def _tell(self) -> None:
            body = json.dumps(gate.state()).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer((LOOPBACK, port), Control)


def _dial(forwarding: Forwarding) -> socket.socket:
    return socket.create_connection(
        (forwarding.host, forwarding.to_port), timeout=CONNECT_SECONDS_MAX
    )
