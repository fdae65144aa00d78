"""The gateway's HTTP API.

It answers 200 with an outcome whenever it worked itself, even when Stripe did not; 401, 422 and
503 are its own. The idempotency key always comes from the caller, who stored it before asking;
this process generates none. Each call leaves a row in `stripe_calls` before it leaves the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.routing import APIRoute

from runtime import config
from runtime.adapters.http import problem
from runtime.adapters.http.direct import Direct
from runtime.adapters.http.serving import PlainRoute, Threads, add_probes, serve
from runtime.adapters.rotated import Rotated
from runtime.adapters.store import database
from runtime.adapters.stripe_gateway import StripeGateway
from runtime.domain.outcome import Unknown
from runtime.process import Process
from runtime.services.payments_gateway import calls, edge
from runtime.services.payments_gateway.calls import CallAnswer, Gateway
from runtime.services.payments_gateway.journal import Journal
from runtime.services.payments_gateway.schema import (
    CancelBody,
    ChargeBody,
    Created,
    DisputeList,
    IntentAnswer,
    IntentId,
    IntentList,
    MovedList,
    OfIntent,
    OutcomeBody,
    RefundBody,
    RefundList,
    Window,
    outcome_body,
)
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

POOL_SIZE_MAX: Final = 16
"""Connections for the journal; each is held for one short statement, never across a call."""

# What any request may be answered with; 404 and 405 belong to no route, but to its neighbours.
_ALWAYS: Final = (400, 401, 405, 408, 422, 431, 503)
ASKED: Final[dict[int | str, dict[str, Any]]] = {
    int(status): answer for status, answer in problem.openapi_answers(edge.TITLES, *_ALWAYS).items()
}
POSTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "the gateway worked; what became of the call is the outcome",
        "headers": {
            "X-Stripe-Status": {
                "description": "Stripe's own status; absent when Stripe gave none",
                "schema": {"type": "string", "pattern": "^[1-5][0-9]{2}$"},
            }
        },
    },
    **ASKED,
    **{int(s): a for s, a in problem.openapi_answers(edge.TITLES, 413, 415).items()},
}
CHARGED: Final[dict[int | str, dict[str, Any]]] = {
    **POSTED,
    409: {
        **problem.openapi_answers(edge.TITLES, 409)["409"],
        "headers": {"Retry-After": {"required": True, "schema": {"type": "string"}}},
    },
}
_ROOT: Final = "11111111-1111-4111-8111-111111111111"
CHARGE: Final = edge.describe(
    ChargeBody,
    event_id=_ROOT,
    order_id="order-001",
    tenant_id="acme-books",
    amount_cents=4999,
    currency="usd",
)
CHARGE["parameters"] = [edge.V1_PARAMETER]
REFUND: Final = edge.describe(
    RefundBody, key=_ROOT, payment_intent_id="pi_1", amount_cents=4999, refund_id=_ROOT
)
CANCEL: Final = edge.describe(CancelBody, event_id=_ROOT, payment_intent_id="pi_1")
SECURED: Final[dict[str, Any]] = {"security": [{"bearer": []}]}


def run(process: Process) -> None:
    """Serve until the process is told to stop."""
    settings = config.gateway(process.source)
    # What the journal may take: the rest is Stripe's, and the answer must leave before the caller
    # gives up.
    left = settings.deadlines.gateway_seconds - settings.deadlines.stripe_seconds
    open_pool = partial(
        database.open_pool,
        process.common.dsn,
        process.common.process,
        size_max=POOL_SIZE_MAX,
        autocommit=True,
        wait_seconds=min(left, 2.0),
        statement_seconds=min(left, database.STATEMENT_TIMEOUT_MS / 1000),
    )
    # Two: the row must be on disk before the call leaves, its completion may follow when it likes.
    pool, lazy_pool = open_pool(), open_pool(flush_commits=False)
    journal = Journal(pool, lazy_pool, Outage(logger, "PostgreSQL"), Outage(logger, "Stripe"), left)
    key = Rotated(
        partial(config.stripe_api_key, process.source),
        settings.stripe_api_key,
        Outage(logger, "the new Stripe key (the last good one stays)"),
    )
    stripe = StripeGateway(settings, key.current)
    gateway = Gateway(stripe, journal, settings, process.common.environment)
    if settings.shadow:
        logger.warning("shadow mode: Stripe is called, and v1's outcome is what counts")
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, readiness, process.lifecycle.stop)
    app = build_app(gateway, process)
    common, stop = process.common, process.lifecycle.stop
    try:
        serve(Direct(app), common.http_host, common.http_port, stop, problem.WIRE_ANSWERS)
    finally:
        # After the server: requests that were under way have written their rows by then.
        journal.close()


def build_app(gateway: Gateway, process: Process) -> FastAPI:
    """The FastAPI application."""
    # Every charge holds a thread for as long as Stripe takes, so there are many.
    threads = Threads(gateway.settings.threads)
    app = FastAPI(title="payments-gateway", version="1", docs_url=None, redoc_url=None)
    # A redirected POST would be repeated by some clients and turned into a GET by others.
    app.router.redirect_slashes = False
    app.add_middleware(edge.TokenMiddleware, token=gateway.settings.token)
    app.router.route_class = PlainRoute
    add_probes(app, process.lifecycle.readiness)
    edge.add_problem_handlers(app)
    seconds = gateway.settings.deadlines.gateway_seconds

    async def in_time(call: Callable[[], CallAnswer]) -> Response:
        """The call's answer, or `unknown` once the gateway's own deadline has passed.

        Stripe's time-out is per read: an answer that trickles in would outlive every deadline
        behind ours. The call goes on in its thread, and completes its journal row when it ends.
        """
        try:
            return _response(await threads.run_within(seconds, call))
        except TimeoutError:
            return _response(CallAnswer(outcome_body(Unknown("gateway_deadline"))))

    @app.post("/charge", openapi_extra=CHARGE, responses=CHARGED, response_model=OutcomeBody)
    async def charge(request: Request) -> Response:
        # Outside shadow mode the header is not even read: nobody decides a payment with it.
        v1_outcome = edge.v1_outcome_of(request) if gateway.settings.shadow else None
        body = await edge.read(request, ChargeBody)
        return await in_time(lambda: calls.charge(gateway, body, v1_outcome))

    @app.post("/refund", openapi_extra=REFUND, responses=CHARGED, response_model=OutcomeBody)
    async def refund(request: Request) -> Response:
        body = await edge.read(request, RefundBody)
        return await in_time(lambda: calls.refund(gateway, body))

    @app.post("/cancel", openapi_extra=CANCEL, responses=CHARGED, response_model=OutcomeBody)
    async def cancel(request: Request) -> Response:
        body = await edge.read(request, CancelBody)
        return await in_time(lambda: calls.cancel(gateway, body))

    _add_questions(app, gateway, threads)
    _add_lists_of_moved_money(app, gateway, threads)
    app.openapi().setdefault("components", {})["securitySchemes"] = edge.SECURITY_SCHEMES
    return app


def _response(answer: CallAnswer) -> Response:
    """The answer over HTTP, with Stripe's own status mirrored in a header."""
    headers = {} if answer.stripe_status is None else {"X-Stripe-Status": str(answer.stripe_status)}
    return Response(answer.outcome.model_dump_json(), 200, headers, "application/json")


def _add_questions(app: FastAPI, gateway: Gateway, threads: Threads) -> None:
    """Questions about a payment and its refunds."""
    # They have parameters, which FastAPI reads.
    app.router.route_class = APIRoute

    @app.get("/payment-intents/{payment_intent_id}", openapi_extra=SECURED, responses=ASKED)
    async def retrieve(
        payment_intent_id: Annotated[IntentId, Path(examples=["pi_1"])],
    ) -> IntentAnswer:
        return await threads.run(calls.retrieve, gateway, payment_intent_id)

    @app.get("/payment-intents", openapi_extra=SECURED, responses=ASKED)
    async def find(window: Annotated[Window, Query()]) -> IntentList:
        found = await threads.run(
            calls.find, gateway, window.created_gte, window.created_lte, str(window.event_id)
        )
        return IntentList(data=found)

    @app.get("/refunds", openapi_extra=SECURED, responses=ASKED)
    async def find_refunds(wanted: Annotated[OfIntent, Query()]) -> RefundList:
        return await threads.run(calls.find_refunds, gateway, wanted.payment_intent_id)


def _add_lists_of_moved_money(app: FastAPI, gateway: Gateway, threads: Threads) -> None:
    """Questions about money that went back without a request of ours."""

    @app.get("/disputes", openapi_extra=SECURED, responses=ASKED)
    async def find_disputes(wanted: Annotated[OfIntent, Query()]) -> DisputeList:
        return await threads.run(calls.find_disputes, gateway, wanted.payment_intent_id)

    @app.get("/moved", openapi_extra=SECURED, responses=ASKED)
    async def find_moved(window: Annotated[Created, Query()]) -> MovedList:
        return await threads.run(calls.find_moved, gateway, window.created_gte, window.created_lte)
