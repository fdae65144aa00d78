"""What every process answers about itself: alive, ready, metrics; on a port of its own if need be.

A service with an HTTP API answers these paths there (`serving.add_probes`); the others, whose work
comes from Kafka or the database, open an admin port. Both say the same. There is no token: the
port is for probes and Prometheus, and shows nothing of any order.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from runtime.lifecycle import Readiness
from runtime.process import Process

ALIVE: Final = b'{"alive":true}'
"""The body of /healthz. It looks at nothing: a process that cannot reach its database is helped by
no restart."""

ReadinessChecks = Callable[[], Mapping[str, bool]]
"""The named conditions of readiness as they hold now."""

ReadinessReasons = Callable[[], Mapping[str, str]]
"""Why some of them do not hold, in words."""


def serve_admin_port(process: Process, texts: Mapping[str, str] | None = None) -> None:
    """Answer probes from daemon threads for as long as the process lives.

    Args:
        texts: plain texts of the service by path, for whoever examines it from outside.

    Raises:
        OSError: the address cannot be bound.
    """
    server = _AdminServer(
        (process.common.http_host, process.common.http_port),
        process.lifecycle.readiness,
        texts or {},
    )
    # A daemon: probes are answered until the very end, and hold no end up.
    threading.Thread(target=server.serve_forever, name="admin", daemon=True).start()


def readiness_answer(
    readiness: ReadinessChecks, reasons: ReadinessReasons = dict
) -> tuple[int, bytes]:
    """Status and JSON body of /readyz: 503 while any condition does not hold, with the reasons."""
    checks, why = readiness(), reasons()
    ready = all(checks.values())
    body: dict[str, object] = {"ready": ready, "checks": dict(checks)}
    if not ready and why:
        body["reasons"] = dict(why)
    return 200 if ready else 503, json.dumps(body).encode()


class _AdminServer(ThreadingHTTPServer):
    # A probe that hangs on a dead connection must not keep the process from ending.
    daemon_threads = True
    # The next start of this process takes the port over from connections in TIME_WAIT.
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], readiness: Readiness, texts: Mapping[str, str]
    ) -> None:
        super().__init__(address, _AdminHandler)
        self.readiness = readiness
        self.texts = texts


class _AdminHandler(BaseHTTPRequestHandler):
    server: _AdminServer
    # Keep-alive: a probe each second would otherwise be a connection each second.
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        match self.path:
            case "/healthz":
                self._answer(200, ALIVE)
            case "/readyz":
                readiness = self.server.readiness
                self._answer(*readiness_answer(readiness.snapshot, readiness.reasons))
            case "/metrics":
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            case path if path in self.server.texts:
                self._answer(200, self.server.texts[path].encode(), "text/plain; charset=utf-8")
            case _:
                self._answer(404, b'{"error":"not found"}')

    def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Probes are not news."""
