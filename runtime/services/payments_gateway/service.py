"""The gateway's HTTP API.

It answers 200 with an outcome whenever it worked itself, even when Stripe did not; 401, 422 and
503 are its own. The idempotency key always comes from the caller, who stored it before asking;
this process generates none. Each call leaves a row in `stripe_calls` before it leaves the machine.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import anyio
import anyio.to_thread
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from runtime import config
from runtime.adapters.http import add_probes, serve
from runtime.adapters.store import database
from runtime.adapters.stripe_gateway import StripeGateway
from runtime.domain.shadow import V1_HEADER
from runtime.process import Process
from runtime.services.payments_gateway import calls
from runtime.services.payments_gateway.calls import Gateway
from runtime.services.payments_gateway.journal import Journal
from runtime.services.payments_gateway.schema import (
    Answer,
    CancelBody,
    ChargeBody,
    IntentAnswer,
    IntentId,
    IntentList,
    RefundBody,
    RefundList,
)
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

POOL_SIZE_MAX: Final = 16
"""Connections for the journal; each is held for one short statement, never across a call."""

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
V1Outcome = Annotated[str | None, Header(alias=V1_HEADER, max_length=400)]


def run(process: Process) -> None:
    """Serve until the process is told to stop."""
    settings = config.gateway(process.source)
    pool = database.open_pool(
        process.common.dsn, process.common.process, size_max=POOL_SIZE_MAX, autocommit=True
    )
    lazy_pool = database.open_pool(
        process.common.dsn,
        process.common.process,
        size_max=POOL_SIZE_MAX,
        autocommit=True,
        flush_commits=False,
    )
    journal = Journal(pool, lazy_pool, Outage(logger, "PostgreSQL"), Outage(logger, "Stripe"))
    gateway = Gateway(StripeGateway(settings), journal, settings, process.common.environment)
    if settings.shadow:
        logger.warning("shadow mode: Stripe is called, and v1's outcome is what counts")
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, partial(readiness.set, "database"), process.lifecycle.stop)
    app = build_app(gateway, process)
    try:
        serve(app, process.common.http_host, process.common.http_port, process.lifecycle.stop)
    finally:
        journal.close()


def build_app(gateway: Gateway, process: Process) -> FastAPI:
    """The FastAPI application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Every charge holds a thread for as long as Stripe takes; the default of 40 would cap us.
        anyio.to_thread.current_default_thread_limiter().total_tokens = gateway.settings.threads
        yield

    app = FastAPI(title="payments-gateway", version="1", lifespan=lifespan, docs_url=None)
    add_probes(app, process.lifecycle.readiness.snapshot)

    def authorize(credentials: Credentials) -> None:
        given = credentials.credentials if credentials else ""
        if not hmac.compare_digest(given.encode(), gateway.settings.token.encode()):
            raise HTTPException(
                401, "the gateway's token is needed", headers={"WWW-Authenticate": "Bearer"}
            )

    caller = [Depends(authorize)]
    refusals: dict[int | str, dict[str, Any]] = {
        401: {"description": "no or wrong token"},
        409: {"description": "shadow mode, and v1's outcome is not known yet"},
        503: {"description": "nothing was sent; try again after Retry-After seconds"},
    }

    seconds = gateway.settings.deadlines.gateway_seconds

    @app.post("/charge", dependencies=caller, responses=refusals)
    async def charge(body: ChargeBody, response: Response, v1_outcome: V1Outcome = None) -> Answer:
        return await within(seconds, lambda: calls.charge(gateway, body, v1_outcome, response))

    @app.post("/refund", dependencies=caller, responses=refusals)
    async def refund(body: RefundBody, response: Response) -> Answer:
        return await within(seconds, lambda: calls.refund(gateway, body, response))

    @app.post("/cancel", dependencies=caller, responses=refusals)
    async def cancel(body: CancelBody, response: Response) -> Answer:
        return await within(seconds, lambda: calls.cancel(gateway, body, response))

    @app.get("/payment-intents/{payment_intent_id}", dependencies=caller, responses=refusals)
    def retrieve(payment_intent_id: str) -> IntentAnswer:
        return calls.retrieve(gateway, payment_intent_id)

    @app.get("/payment-intents", dependencies=caller, responses=refusals)
    def find(
        created_gte: Annotated[int, Query(ge=0, le=2**53)],
        event_id: UUID,
        created_lte: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    ) -> IntentList:
        return IntentList(data=calls.find(gateway, created_gte, created_lte, str(event_id)))

    @app.get("/refunds", dependencies=caller, responses=refusals)
    def find_refunds(payment_intent_id: IntentId) -> RefundList:
        return calls.find_refunds(gateway, payment_intent_id)

    return app


async def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """The call's answer, or `unknown` once the deadline has passed.

    Stripe's own time-out is per read: an answer that trickles in would outlive every deadline
    behind ours. The call goes on in its thread, and completes its journal row when it ends.
    """
    with anyio.move_on_after(seconds):
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    return Answer(outcome="unknown", code="gateway_deadline")
