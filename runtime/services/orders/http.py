"""The orders API over HTTP: parse, ask the transaction, answer.

Bodies are read raw and parsed by `request`, so that every refusal has its own stable code; the
OpenAPI document is written beside the routes, from `openapi`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio.to_thread
import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from psycopg_pool import ConnectionPool
from starlette.exceptions import HTTPException

from runtime.adapters import lines
from runtime.adapters.http import add_probes, serve
from runtime.adapters.store import database, orders
from runtime.domain.names import TenantId
from runtime.failpoints import Failpoint, Subject
from runtime.process import Process
from runtime.services.orders import openapi, place, view
from runtime.services.orders.problem import Problem
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


@dataclass(slots=True)
class OrdersApi:
    """What the routes share."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    outage: Outage

    def place(
        self, authorization: str | None, key: str | None, raw: bytes, client: lines.Client
    ) -> Response:
        """POST /orders."""
        idempotency_key = parse_idempotency_key(key)
        wanted = parse_place_order(raw)
        failpoints = self.process.failpoints
        with self.pool.connection() as conn:
            tenant_id = _tenant(conn, authorization)
            subject = Subject(tenant_id=tenant_id)
            failpoints.hit(Failpoint.API_VALIDATED_BEFORE_TX, subject, lines.Statement(conn))
            placed = place.place_order(conn, tenant_id, idempotency_key, wanted, failpoints)
        order = placed.order
        subject = Subject(order.order_id, order.event_id, order.tenant_id)
        failpoints.hit(Failpoint.API_COMMITTED_BEFORE_RESPONSE, subject, client)
        self.outage.recovered()
        if placed.replayed:
            return _json(201, view.as_placed(order), {"Idempotent-Replayed": "true"})
        logger.info("order placed", extra=view.log_fields(order))
        return _json(201, view.order_body(order), {})

    def show(self, authorization: str | None, order_id: str) -> Response:
        """GET /orders/{id}."""
        with self.pool.connection() as conn:
            order = orders.find_by_id(conn, _tenant(conn, authorization), _lookable(order_id))
        self.outage.recovered()
        if order is None:
            raise Problem("not_found")
        return _json(200, view.order_body(order), {})

    def cancel(self, authorization: str | None, order_id: str, raw: bytes) -> Response:
        """POST /orders/{id}/cancel."""
        reason = parse_cancel(raw)
        with self.pool.connection() as conn:
            tenant_id = _tenant(conn, authorization)
            order = place.cancel_order(conn, tenant_id, _lookable(order_id), reason)
        self.outage.recovered()
        logger.info("order cancelled by its customer", extra=view.log_fields(order))
        return _json(202, view.order_body(order), {})


def run(process: Process) -> None:
    """Serve until the process is told to stop."""
    common = process.common
    pool = database.open_pool(common.dsn, common.process, size_max=POOL_SIZE_MAX)
    api = OrdersApi(process, pool, Outage(logger, "PostgreSQL"))
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, partial(readiness.set, "database"), process.lifecycle.stop)
    try:
        serve(build_app(api), common.http_host, common.http_port, process.lifecycle.stop)
    finally:
        pool.close()


def build_app(api: OrdersApi) -> FastAPI:
    """The FastAPI application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="orders-service", version="1", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.router.redirect_slashes = False
    add_probes(app, api.process.lifecycle.readiness.snapshot)
    _add_problem_handlers(app, api.outage)

    @app.post("/orders", status_code=201, openapi_extra=openapi.PLACE)
    async def place_order(request: Request) -> Response:
        raw = await _body(request)
        headers = request.headers
        return await run_in_threadpool(
            api.place,
            headers.get("authorization"),
            headers.get("idempotency-key"),
            raw,
            lines.Client(request.scope["client"]),
        )

    @app.get("/orders/{order_id}", openapi_extra=openapi.SHOW)
    async def show_order(order_id: str, request: Request) -> Response:
        return await run_in_threadpool(api.show, request.headers.get("authorization"), order_id)

    @app.post("/orders/{order_id}/cancel", status_code=202, openapi_extra=openapi.CANCEL)
    async def cancel_order(order_id: str, request: Request) -> Response:
        raw = await _body(request)
        authorization = request.headers.get("authorization")
        return await run_in_threadpool(api.cancel, authorization, order_id, raw)

    return app


def _add_problem_handlers(app: FastAPI, outage: Outage) -> None:
    """Render every refusal at one place; a database that is away is 503 with Retry-After."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        return _problem(error if isinstance(error, Problem) else Problem("unavailable"))

    async def on_http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        problem = Problem("method_not_allowed" if status == 405 else "not_found")
        allow = getattr(error, "headers", None) or {}
        return _problem(problem, allow)

    async def on_unavailable(_request: Request, error: Exception) -> Response:
        outage.failed(error)
        return _problem(Problem("unavailable"))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    for kind in database.UNAVAILABLE:
        app.add_exception_handler(kind, on_unavailable)


async def _body(request: Request) -> bytes:
    """Read the body, bounded, after its declared type.

    Raises:
        Problem: content_type or body_too_large.
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/json" or "content-encoding" in request.headers:
        raise Problem("content_type")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise Problem("body_too_large")
        chunks.append(chunk)
    return b"".join(chunks)


def _tenant(conn: psycopg.Connection, authorization: str | None) -> TenantId:
    """Whose bearer token this is; only its digest is ever compared or stored.

    Raises:
        Problem: unauthorized.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("unauthorized")
    tenant_id = orders.tenant_of_token(conn, hashlib.sha256(token.strip().encode()).digest())
    if tenant_id is None:
        raise Problem("unauthorized")
    return tenant_id


def _lookable(order_id: str) -> str:
    """An id PostgreSQL can be asked for.

    Raises:
        Problem: not_found; no order has such an id.
    """
    if not order_id.isprintable() or len(order_id) > 255:
        raise Problem("not_found")
    return order_id


def _json(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(view.encode(body), status, headers, "application/json")


def _problem(problem: Problem, extra: dict[str, str] | None = None) -> Response:
    headers = {**problem.headers(), **(extra or {})}
    return Response(problem.body(), problem.status, headers, "application/problem+json")
