"""Serving HTTP: uvicorn with our lifecycle, and the probes every FastAPI service has."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final

import uvicorn
import uvloop
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from runtime.telemetry import ReadinessChecks, readiness_answer

DRAIN_SECONDS: Final = 8
"""How long open requests may take to end after a stop; below the supervisor's patience."""


def add_probes(app: FastAPI, readiness: ReadinessChecks) -> None:
    """Add /healthz, /readyz and /metrics, outside the OpenAPI document."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return Response(b'{"alive":true}', media_type="application/json")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        status, body = readiness_answer(readiness)
        return Response(body, status, media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def serve(app: FastAPI, host: str, port: int, stop: threading.Event) -> None:
    """Serve until `stop` is set, then let open requests end.

    The socket is bound before uvicorn starts, so that a port in use is an error of this call and
    not a log line.

    Raises:
        OSError: the address cannot be bound.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        http="httptools",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=2048,
    )
    server = _Server(config)
    threading.Thread(
        target=_stop_server_when_set, args=(server, stop), name="stop", daemon=True
    ).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[bound]))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has one stop signal already."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `Lifecycle`."""
        yield


def _stop_server_when_set(server: uvicorn.Server, stop: threading.Event) -> None:
    stop.wait()
    server.should_exit = True
