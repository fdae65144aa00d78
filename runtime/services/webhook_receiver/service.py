"""The receiver's HTTP side: what is refused before the signature is even looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from runtime import config
from runtime.adapters import lines
from runtime.adapters.http import add_probes, serve
from runtime.adapters.store import database
from runtime.failpoints import Failpoint
from runtime.process import Process
from runtime.services.webhook_receiver.intake import WEBHOOKS, Intake, Secrets
from runtime.services.webhook_receiver.refusal import REFUSALS, Reply
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

PATH: Final = "/stripe/webhook"
BODY_BYTES_MAX: Final = 1024 * 1024
BODY_SECONDS_MAX: Final = 8.0
"""How long a sender may take for its body; Stripe's own bodies arrive in one piece."""

POOL_SIZE_MAX: Final = 16
THREADS: Final = 32

_SHOWN_HEADERS: Final = ("content-type", "user-agent", "content-length")

_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "responses": {
        "200": {"description": "stored; also for duplicates and quarantined events"},
        **{
            str(reply.status): {"description": reply.code.split("_", maxsplit=1)[0]}
            for reply in REFUSALS.values()
        },
    },
}


def run(process: Process) -> None:
    """Serve until the process is told to stop.

    Raises:
        ConfigError: there is no signing secret, or an empty one.
    """
    common = process.common
    secrets = Secrets(lambda: config.webhook_secrets(process.source))
    secrets.last_good = config.webhook_secrets(process.source)
    pool = database.open_pool(common.dsn, common.process, size_max=POOL_SIZE_MAX)
    intake = Intake(process, pool, secrets, Outage(logger, "PostgreSQL"))
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, partial(readiness.set, "database"), process.lifecycle.stop)
    try:
        serve(build_app(intake), common.http_host, common.http_port, process.lifecycle.stop)
    finally:
        pool.close()


def build_app(intake: Intake) -> FastAPI:
    """The FastAPI application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="payments-webhook-receiver",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.router.redirect_slashes = False
    add_probes(app, intake.process.lifecycle.readiness.snapshot)

    failpoints = intake.process.failpoints

    @app.post(PATH, openapi_extra=_OPENAPI)
    async def receive(request: Request) -> Response:
        reply = await _receive(intake, request)
        WEBHOOKS.labels(reply.code).inc()
        response = _render(reply)
        if failpoints.are_on:
            # What is in the background begins when the answer has been sent.
            client = lines.Client(request.scope["client"])
            response.background = BackgroundTask(
                failpoints.hit, Failpoint.RECEIVER_RESPONDED, line=client
            )
        return response

    async def on_http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _render(REFUSALS["method" if status == 405 else "path"])

    app.add_exception_handler(HTTPException, on_http)
    return app


async def _receive(intake: Intake, request: Request) -> Reply:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        return REFUSALS["body_too_large"]
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/json" or "content-encoding" in request.headers:
        return REFUSALS["content_type"]
    try:
        body = await asyncio.wait_for(_read(request), BODY_SECONDS_MAX)
    except TimeoutError:
        return REFUSALS["slow_body"]
    except ClientDisconnect:
        return REFUSALS["body_invalid"]
    if body is None:
        return REFUSALS["body_too_large"]
    signatures = [value for name, value in request.scope["headers"] if name == b"stripe-signature"]
    shown = {name: request.headers[name] for name in _SHOWN_HEADERS if name in request.headers}
    client = lines.Client(request.scope["client"])
    return await run_in_threadpool(intake.take, signatures, body, shown, client)


async def _read(request: Request) -> bytes | None:
    """The whole body; None as soon as it is too large, without reading the rest."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _render(reply: Reply) -> Response:
    return Response(reply.body, reply.status, reply.headers, "application/json")
