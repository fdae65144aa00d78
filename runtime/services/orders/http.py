"""The orders API over HTTP: who asks, how often, what, and only then the transaction.

Bodies are read raw and parsed by `request`, so that every refusal has its own stable code; the
OpenAPI document is written beside the routes, from `openapi`.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import psycopg
from fastapi import FastAPI, Request, Response
from psycopg_pool import ConnectionPool
from starlette.exceptions import HTTPException

from runtime import config, metrics, tracing
from runtime.adapters.http import problem
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
from runtime.adapters.store import database, orders
from runtime.domain.names import OrderStatus, TenantId
from runtime.faults import connections
from runtime.faults.points import Failpoint, Subject
from runtime.process import Process
from runtime.services.orders import openapi, place, view
from runtime.services.orders.problem import Problem
from runtime.services.orders.quotas import Quotas
from runtime.services.orders.request import (
    BODY_BYTES_MAX,
    parse_cancel,
    parse_idempotency_key,
    parse_place_order,
)
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

POOL_SIZE_MAX: Final = 16
THREADS: Final = 32
"""Twice the pool: the rest wait for a connection at most its time-out, then answer 503."""

_FAULTS: Final = {
    BodyFault.CONTENT_TYPE: "content_type",
    BodyFault.TOO_LARGE: "body_too_large",
    BodyFault.SLOW: "request_timeout",
    BodyFault.CUT: "body_invalid",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who says to be asking: the digest of a bearer token, which is all that is ever compared.

    The database looks it up by its own digest, so how long that takes tells nothing of a token.
    """

    token_sha256: bytes


@dataclass(slots=True)
class OrdersApi:
    """What the routes share."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    outage: Outage
    quotas: Quotas

    def place(
        self, caller: Caller, keys: list[str], raw: bytes | BodyFault, client: connections.Client
    ) -> Response:
        """POST /orders."""
        try:
            body = _whole(raw)
            idempotency_key = parse_idempotency_key(keys)
            wanted = parse_place_order(body)
        except Problem as refused:
            self._refuse(caller, refused)
        failpoints = self.process.failpoints
        with tracing.span("transaction"), self.pool.connection() as conn:
            entered = self._enter(conn, caller, idempotency_key)
            subject = Subject(tenant_id=entered.tenant_id)
            failpoints.hit(Failpoint.API_VALIDATED_BEFORE_TX, subject, connections.Statement(conn))
            placed = place.place_order(conn, entered, idempotency_key, wanted, failpoints)
        order = placed.order
        subject = Subject(order.order_id, order.event_id, order.tenant_id)
        failpoints.hit(Failpoint.API_COMMITTED_BEFORE_RESPONSE, subject, client)
        self.outage.recovered()
        # The body of the first answer, byte by byte: a client that compares must not see two
        # orders.
        if placed.replayed:
            return _json(201, view.as_placed(order), {"Idempotent-Replayed": "true"})
        metrics.ORDERS.labels(OrderStatus.PENDING).inc()
        logger.info("order placed", extra=view.log_fields(order))
        return _json(201, view.order_body(order), {})

    def show(self, caller: Caller, order_id: str) -> Response:
        """GET /orders/{id}."""
        with self.pool.connection() as conn:
            order = orders.find_by_id(conn, self._tenant(conn, caller), _lookable(order_id))
        self.outage.recovered()
        if order is None:
            raise Problem("not_found")
        return _json(200, view.order_body(order), {})

    def cancel(self, caller: Caller, order_id: str, raw: bytes | BodyFault) -> Response:
        """POST /orders/{id}/cancel."""
        try:
            reason = parse_cancel(_whole(raw))
        except Problem as refused:
            self._refuse(caller, refused)
        with tracing.span("transaction"), self.pool.connection() as conn:
            tenant_id = self._tenant(conn, caller)
            order = place.cancel_order(conn, tenant_id, _lookable(order_id), reason)
        self.outage.recovered()
        logger.info("order cancelled by its customer", extra=view.log_fields(order))
        return _json(202, view.order_body(order), {})

    def _refuse(self, caller: Caller, refused: Problem) -> NoReturn:
        """Tell a caller of ours what is wrong with the request, and a stranger only that.

        Raises:
            Problem: always; unauthorized for a stranger.
        """
        with self.pool.connection() as conn:
            self._tenant(conn, caller)
        raise refused

    def _enter(self, conn: psycopg.Connection, caller: Caller, key: str) -> orders.Entered:
        """Whose token it is, now, with the key of its request held.

        Raises:
            Problem: unauthorized.
        """
        entered = orders.enter(conn, caller.token_sha256, key)
        self.quotas.remember(caller.token_sha256, entered.tenant_id if entered else None)
        if entered is None:
            raise Problem("unauthorized")
        return entered

    def _tenant(self, conn: psycopg.Connection, caller: Caller) -> TenantId:
        """Whose token it is, now.

        Raises:
            Problem: unauthorized.
        """
        tenant_id = orders.tenant_of_token(conn, caller.token_sha256)
        self.quotas.remember(caller.token_sha256, tenant_id)
        if tenant_id is None:
            raise Problem("unauthorized")
        return tenant_id


def run(process: Process) -> None:
    """Serve until the process is told to stop."""
    common = process.common
    pool = database.open_pool(common.dsn, common.process, size_max=POOL_SIZE_MAX)
    # A clock that never goes back: a step of wall time would fill or empty every bucket.
    quotas = Quotas(config.orders(process.source), time.monotonic)
    api = OrdersApi(process, pool, Outage(logger, "PostgreSQL"), quotas)
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, readiness, process.lifecycle.stop)
    stop = process.lifecycle.stop
    try:
        app = Direct(build_app(api))
        serve(app, common.http_host, common.http_port, stop, problem.WIRE_ANSWERS)
    finally:
        pool.close()


def build_app(api: OrdersApi) -> FastAPI:
    """The FastAPI application."""
    threads = Threads(THREADS)
    app = FastAPI(title="orders-service", version="1", docs_url=None, redoc_url=None)
    # A redirect would answer for a path that no document of ours names.
    app.router.redirect_slashes = False
    app.router.route_class = PlainRoute
    add_probes(app, api.process.lifecycle.readiness)
    _add_problem_handlers(app, api.outage)

    @app.post("/orders", status_code=201, operation_id="place_order", openapi_extra=openapi.PLACE)
    async def place_order(request: Request) -> Response:
        caller = _admitted(api, request)
        raw = await read_json_body(request, bytes_max=BODY_BYTES_MAX)
        keys = request.headers.getlist("idempotency-key")
        client = connections.Client(request.scope["client"])
        return await threads.run(api.place, caller, keys, raw, client)

    @app.get("/orders/{order_id}", operation_id="show_order", openapi_extra=openapi.SHOW)
    async def show_order(request: Request) -> Response:
        caller = _admitted(api, request)
        return await threads.run(api.show, caller, request.path_params["order_id"])

    @app.post(
        "/orders/{order_id}/cancel",
        status_code=202,
        operation_id="cancel_order",
        openapi_extra=openapi.CANCEL,
    )
    async def cancel_order(request: Request) -> Response:
        caller = _admitted(api, request)
        raw = await read_json_body(request, bytes_max=BODY_BYTES_MAX)
        return await threads.run(api.cancel, caller, request.path_params["order_id"], raw)

    app.openapi()["components"] = {"securitySchemes": openapi.SECURITY_SCHEMES}
    return app


def _add_problem_handlers(app: FastAPI, outage: Outage) -> None:
    """Render every refusal at one place; a database that is away is 503 with Retry-After."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        return problem.render(error if isinstance(error, Problem) else Problem("unavailable"))

    async def on_http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        # The framework's own refusals, in our words and with its headers (Allow).
        refused = Problem("method_not_allowed" if status == 405 else "not_found")
        refused.extra = dict(getattr(error, "headers", None) or {})
        return problem.render(refused)

    async def on_unavailable(_request: Request, error: Exception) -> Response:
        outage.failed(error)
        return problem.render(Problem("unavailable"))

    async def on_surprise(_request: Request, _error: Exception) -> Response:
        # The server logs the trace. Nothing was committed, or the client's key finds it again.
        return problem.render(Problem("internal"))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_surprise)
    for kind in (*database.UNAVAILABLE, NoThreadError):
        app.add_exception_handler(kind, on_unavailable)


def _admitted(api: OrdersApi, request: Request) -> Caller:
    """Who asks, as far as the header says, and whether the tenant may come again so soon.

    Raises:
        Problem: unauthorized, rate_limited.
    """
    # Refused for its form alone, without a question to the database: that is what a flood costs.
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unauthorized")
    # Headers arrive as bytes and are shown as Latin-1; no token of ours has more than ASCII.
    caller = Caller(hashlib.sha256(token.strip().encode()).digest())
    api.quotas.admit(caller.token_sha256)
    return caller


def _whole(raw: bytes | BodyFault) -> bytes:
    """The body, if there is one.

    Raises:
        Problem: why there is none.
    """
    if isinstance(raw, BodyFault):
        raise Problem(_FAULTS[raw])
    return raw


def _lookable(order_id: str) -> str:
    """An id PostgreSQL can be asked for.

    Raises:
        Problem: not_found; no order has such an id.
    """
    # PostgreSQL refuses a NUL with an error of its own; to a caller it is an order nobody has.
    if not order_id.isprintable() or len(order_id) > 255:
        raise Problem("not_found")
    return order_id


def _json(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(view.encode(body), status, headers, "application/json")
