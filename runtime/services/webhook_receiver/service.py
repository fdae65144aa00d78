"""The receiver's HTTP side: what is refused before the signature is even looked at."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from runtime import config, metrics
from runtime.adapters.http.direct import Direct
from runtime.adapters.http.serving import (
    BodyFault,
    NoThreadError,
    PlainRoute,
    Threads,
    add_probes,
    read_json_body,
    serve,
)
from runtime.adapters.rotated import Rotated
from runtime.adapters.store import database
from runtime.faults import connections
from runtime.faults.points import Failpoint
from runtime.process import Process
from runtime.services.webhook_receiver.intake import Intake
from runtime.services.webhook_receiver.openapi import RECEIVE
from runtime.services.webhook_receiver.refusal import REFUSALS, WIRE_ANSWERS, WebhookAnswer
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

PATH: Final = "/stripe/webhook"
BODY_BYTES_MAX: Final = 1024 * 1024
POOL_SIZE_MAX: Final = 16
THREADS: Final = 32

_SHOWN_HEADERS: Final = ("content-type", "user-agent", "content-length")

_FAULTS: Final = {
    BodyFault.CONTENT_TYPE: "content_type",
    BodyFault.TOO_LARGE: "body_too_large",
    BodyFault.SLOW: "slow_body",
    BodyFault.CUT: "body_invalid",
}


def run(process: Process) -> None:
    """Serve until the process is told to stop.

    Raises:
        ConfigError: there is no signing secret, or an empty one.
    """
    common = process.common
    secrets = Rotated(
        partial(config.webhook_secrets, process.source),
        # Asked here, too: a service without a secret must not start at all.
        config.webhook_secrets(process.source),
        Outage(logger, "the new signing secret (the last good one stays)"),
    )
    pool = database.open_pool(common.dsn, common.process, size_max=POOL_SIZE_MAX)
    hosts = config.webhook_hosts(process.source)
    intake = Intake(process, pool, secrets, Outage(logger, "PostgreSQL"), hosts)
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, readiness, process.lifecycle.stop)
    try:
        serve(
            Direct(build_app(intake)),
            common.http_host,
            common.http_port,
            process.lifecycle.stop,
            WIRE_ANSWERS,
        )
    finally:
        pool.close()


def build_app(intake: Intake) -> FastAPI:
    """The FastAPI application."""

    threads = Threads(THREADS)
    app = FastAPI(title="payments-webhook-receiver", version="1", docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.router.route_class = PlainRoute
    add_probes(app, intake.process.lifecycle.readiness)

    failpoints = intake.process.failpoints

    @app.post(PATH, openapi_extra=RECEIVE)
    async def receive(request: Request) -> Response:
        reply = await _receive(intake, threads, request)
        metrics.WEBHOOK_REQUESTS.labels(reply.code).inc()
        response = _render(reply)
        point = Failpoint.RECEIVER_RESPONDED
        if failpoints.may_act(point):
            # What is in the background begins when the answer has been sent.
            client = connections.Client(request.scope["client"])
            response.background = BackgroundTask(failpoints.hit, point, fault=client)
        return response

    async def on_http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _render(REFUSALS["method" if status == 405 else "path"])

    async def on_surprise(_request: Request, _error: Exception) -> Response:
        # The server logs the trace. Stripe sends again what got a 503, for three days.
        return _render(REFUSALS["unavailable"])

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_surprise)
    return app


async def _receive(intake: Intake, threads: Threads, request: Request) -> WebhookAnswer:
    if request.scope["raw_path"] != PATH.encode() or not intake.answers_to(_host(request)):
        # `%2f` for a slash would pass a proxy's rule for the exact path and arrive here all the
        # same.
        return REFUSALS["path"]
    body = await read_json_body(request, bytes_max=BODY_BYTES_MAX)
    if isinstance(body, BodyFault):
        return REFUSALS[_FAULTS[body]]
    signatures = [value for name, value in request.scope["headers"] if name == b"stripe-signature"]
    # Headers that are kept with a quarantined body; never the signature.
    shown = {name: request.headers[name] for name in _SHOWN_HEADERS if name in request.headers}
    client = connections.Client(request.scope["client"])
    try:
        return await threads.run(intake.take, signatures, body, shown, client)
    except NoThreadError as error:
        intake.outage.failed(error)
        return REFUSALS["unavailable"]


def _host(request: Request) -> str:
    """The name the sender called us by, without the port."""
    name, _, port = request.headers.get("host", "").rpartition(":")
    return name.lower() if port.isdigit() else request.headers.get("host", "").lower()


def _render(reply: WebhookAnswer) -> Response:
    return Response(reply.body, reply.status, reply.headers, "application/json")
