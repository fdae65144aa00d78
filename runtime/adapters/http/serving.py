"""Serving HTTP: uvicorn with our lifecycle, bounded bodies and waits, and every service's probes.

What a hostile client may cost is bounded here: the head by `wire`, the body in size and time,
the wait for a thread in time. Every bound has an answer of the service's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect
from starlette.routing import request_response

from runtime import metrics
from runtime.adapters.http.admin import ALIVE, readiness_answer
from runtime.adapters.http.measured import App, Measured
from runtime.adapters.http.wire import WireAnswers, WireProtocol
from runtime.lifecycle import Readiness

DRAIN_SECONDS: Final = 8
"""How long open requests may take to end after a stop; below the supervisor's patience."""

BODY_SECONDS_MAX: Final = 8.0
"""How long a sender may take for its body; honest ones send it in one piece."""

THREAD_WAIT_SECONDS_MAX: Final = 3.0
"""How long a request may wait for a thread. With the wait for a connection and the time-out of a
statement it stays below what clients of ours wait for an answer."""

P = ParamSpec("P")
T = TypeVar("T")


class BodyFault(Enum):
    """Why a body was not read to its end."""

    CONTENT_TYPE = auto()
    TOO_LARGE = auto()
    SLOW = auto()
    CUT = auto()


async def read_json_body(request: Request, *, bytes_max: int) -> bytes | BodyFault:
    """The raw body of a request that says it is JSON, bounded in size and time.

    A declared length over the limit is refused before the type is looked at, and no byte of the
    body is read for either.
    """
    headers = request.headers
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > bytes_max:
        return BodyFault.TOO_LARGE
    # Two of them: which one another reader would believe is anybody's guess.
    types = headers.getlist("content-type")
    media_type = types[0].split(";")[0].strip().lower() if len(types) == 1 else ""
    if media_type != "application/json" or "content-encoding" in headers:
        return BodyFault.CONTENT_TYPE
    try:
        # Not `wait_for`, which makes a task of the reading: most bodies are there already.
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _read(request, bytes_max)
    except TimeoutError:
        return BodyFault.SLOW
    except ClientDisconnect:
        return BodyFault.CUT


async def _read(request: Request, bytes_max: int) -> bytes | BodyFault:
    """The whole body; a fault as soon as it is too large, without reading the rest."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        # Counted, because a chunked body declares nothing and a declared length may be a lie.
        if size > bytes_max:
            return BodyFault.TOO_LARGE
        chunks.append(chunk)
    return b"".join(chunks)


class NoThreadError(Exception):
    """All threads are busy and stayed so: shed the request, the client may come again."""


@dataclass(slots=True)
class Threads:
    """The threads of one service; a request waits for one a bounded time."""

    size: int
    _busy: int = 0
    _places: asyncio.Semaphore = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.size)
        self._executor = ThreadPoolExecutor(self.size, thread_name_prefix="request")
        metrics.HTTP_THREADS_BUSY.set_function(lambda: float(self._busy))

    async def run(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run blocking work on a thread.

        Raises:
            NoThreadError: none became free in time; nothing was begun.
        """
        await self._wait_for_a_place()
        return await self._begin(partial(call, *arguments, **named))

    async def run_within(self, seconds: float, call: Callable[[], T]) -> T:
        """The same, waiting for its end at most so long; the work itself goes on.

        Raises:
            NoThreadError: none became free in time; nothing was begun.
            TimeoutError: it is still under way, and keeps its thread until it ends.
        """
        async with asyncio.timeout(seconds):
            await self._wait_for_a_place()
            # Shielded, because the place is given back when the work ends and not before.
            return await asyncio.shield(self._begin(call))

    async def _wait_for_a_place(self) -> None:
        places = self._places
        if not places.locked():
            await places.acquire()
            return
        try:
            async with asyncio.timeout(THREAD_WAIT_SECONDS_MAX):
                await places.acquire()
        except TimeoutError:
            raise NoThreadError(f"all {self.size} threads are busy") from None

    def _begin(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Hand the work to a thread; there is one for each place, so it begins at once."""
        self._busy += 1
        # With the request's context: spans of the work belong to it.
        context = contextvars.copy_context()
        work = asyncio.get_running_loop().run_in_executor(self._executor, context.run, call)
        work.add_done_callback(self._ended)
        return work

    def _ended(self, work: asyncio.Future[Any]) -> None:
        self._busy -= 1
        self._places.release()
        if not work.cancelled():
            # Taken: nobody may be waiting for it any more, and asyncio would say so in the log.
            work.exception()


class PlainRoute(APIRoute):
    """A route whose endpoint takes the request and gives the response, and nothing in between.

    FastAPI describes it in the OpenAPI document as any other; its parsing of parameters, its
    validation of answers and the stacks of what dependencies leave open are gone around. That is
    half of what a request costs in the framework.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **named: Any) -> None:
        super().__init__(path, endpoint, **named)
        self.app = request_response(endpoint)


def add_probes(app: FastAPI, readiness: Readiness) -> None:
    """Add /healthz, /readyz and /metrics, outside the OpenAPI document."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz(_request: Request) -> Response:
        return Response(ALIVE, media_type="application/json")

    @app.get("/readyz", include_in_schema=False)
    async def readyz(_request: Request) -> Response:
        status, body = readiness_answer(readiness.snapshot, readiness.reasons)
        return Response(body, status, media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def scraped(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def serve(app: App, host: str, port: int, stop: threading.Event, answers: WireAnswers) -> None:
    """Serve until `stop` is set, then let open requests end.

    The socket is bound before uvicorn starts, so that a port in use is an error of this call and
    not a log line.

    Args:
        app: of a service; its plain routes before its framework, as `direct.Direct` has them.
        answers: the service's words for what is refused before it sees a request.

    Raises:
        OSError: the address cannot be bound.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # The next start of this process must not wait for connections in TIME_WAIT.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    config = uvicorn.Config(
        Measured(app),
        log_config=None,
        access_log=False,
        lifespan="on",
        # Called by uvicorn as it would call the class.
        http=partial(WireProtocol, answers=answers),  # type: ignore[arg-type]
        ws="none",
        # Nobody in front of us is trusted to say who a client is.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        # Longer than the 60 s of usual proxies: the side that forwards should close first, or it
        # sends into a connection that is just being closed.
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
