"""A proxy for a drill, in front of a service: it lets everything pass until it is told otherwise.

What it is told comes by HTTP to a port of 127.0.0.1: reached by a port-forward, and by nothing in
the cluster. It reads no byte of what it carries, and keeps none.
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

from bookpayctl.targets.cluster_target import Passage
from bookpayctl.targets.container.passage import CONNECT_SECONDS_MAX, Gate, serve

LOOPBACK: Final = "127.0.0.1"
EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a pod's own; who may come in is the network's to say
_BACKLOG: Final = 512
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Connections to `port` go to `host:to_port`, looked up anew for each."""

    port: int
    host: str
    to_port: int


def parse_forwarding(text: str) -> Forwarding:
    """Read `PORT=HOST:PORT`.

    Raises:
        ValueError: it is none.
    """
    port, _, to = text.partition("=")
    host, _, to_port = to.rpartition(":")
    if not host:
        raise ValueError(f"{text!r} is not PORT=HOST:PORT")
    return Forwarding(int(port), host, int(to_port))


def run(forwardings: Sequence[Forwarding], control_port: int, say: Callable[[str], None]) -> None:
    """Serve until TERM or INT; connections that are open then end with the process.

    Raises:
        OSError: a port is taken.
    """
    # Blocked before the threads begin, which inherit it: they are for the line below.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    gate = Gate()
    for forwarding in forwardings:
        listener = socket.create_server((EVERY_ADDRESS, forwarding.port), backlog=_BACKLOG)
        threading.Thread(
            target=serve, args=(gate, listener, partial(_dial, forwarding)), daemon=True
        ).start()
        say(f"{forwarding.port} leads to {forwarding.host}:{forwarding.to_port}")
    control = control_server(gate, control_port)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    signal.sigwait(_STOPS)


def control_server(gate: Gate, port: int) -> ThreadingHTTPServer:
    """`GET /state` tells of the gate, `PUT /passage/pass|hold|reset` changes it and tells, too."""

    class Control(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/state":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self._tell()

        def do_PUT(self) -> None:
            try:
                gate.change(Passage(self.path.removeprefix("/passage/")))
            except ValueError:
                self.send_error(HTTPStatus.NOT_FOUND)
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
