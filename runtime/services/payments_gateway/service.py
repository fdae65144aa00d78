"""The gateway's HTTP API.

It answers 200 with an outcome whenever it worked itself, even when Stripe did not; 401, 422 and
503 are its own. The idempotency key always comes from the caller, who stored it before asking;
this process generates none. Each call leaves a row in `stripe_calls` before it leaves the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import psycopg
import stripe
from fastapi import FastAPI, Path, Query, Request, Response
from psycopg_pool import ConnectionPool

from runtime import config
from runtime.adapters import problem
from runtime.adapters.http import Threads, add_probes, serve
from runtime.adapters.store import database, stripe_calls
from runtime.adapters.stripe_gateway import Call, Charge, ListTooLongError, StripeGateway
from runtime.domain import stripe_answers
from runtime.domain.outcome import Outcome
from runtime.process import Process
from runtime.services.payments_gateway import edge
from runtime.services.payments_gateway.edge import Problem
from runtime.services.payments_gateway.schema import (
    Answer,
    CancelBody,
    ChargeBody,
    Intent,
    IntentAnswer,
    IntentId,
    IntentList,
    RefundBody,
    Window,
    answer_fields,
    intent_of,
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
_ROOT: Final = "11111111-1111-4111-8111-111111111111"
CHARGE: Final = edge.describe(
    ChargeBody,
    event_id=_ROOT,
    order_id="order-001",
    tenant_id="acme-books",
    amount_cents=4999,
    currency="usd",
)
REFUND: Final = edge.describe(
    RefundBody, key=_ROOT, payment_intent_id="pi_1", amount_cents=4999, refund_id=_ROOT
)
CANCEL: Final = edge.describe(CancelBody, event_id=_ROOT, payment_intent_id="pi_1")
SECURED: Final[dict[str, Any]] = {"security": [{"bearer": []}]}


@dataclass(slots=True)
class Gateway:
    """What the routes share."""

    stripe: StripeGateway
    pool: ConnectionPool[psycopg.Connection]
    # For completing journal rows: the row itself is durable, its completion may be lost in a crash.
    lazy_pool: ConnectionPool[psycopg.Connection]
    settings: config.GatewayConfig
    environment: str
    database_outage: Outage
    stripe_outage: Outage

    def journalled(
        self,
        operation: str,
        *,
        key: str,
        event_id: UUID | None,
        payment_intent_id: str | None,
        send: Callable[[], Call],
        classify: Callable[[stripe_answers.Answer], Outcome],
    ) -> tuple[Call, Outcome]:
        """Write the journal row, call Stripe with no connection held, complete the row.

        Raises:
            Problem: journal_unavailable; nothing was sent.
        """
        call_id = self._begin(operation, key, event_id, payment_intent_id)
        call = send()
        outcome = classify(call.answer)
        self._end(call_id, call, outcome)
        if call.answer.http_status is None:
            self.stripe_outage.failed(ConnectionError(type(outcome).__name__.lower()))
        else:
            self.stripe_outage.recovered()
        return call, outcome

    def _begin(
        self, operation: str, key: str, event_id: UUID | None, payment_intent_id: str | None
    ) -> int:
        try:
            with self.pool.connection() as conn:
                call_id = stripe_calls.begin(
                    conn,
                    operation=operation,
                    idempotency_key=key,
                    event_id=event_id,
                    payment_intent_id=payment_intent_id,
                )
        except database.UNAVAILABLE as error:
            self.database_outage.failed(error)
            raise Problem("journal_unavailable", not_sent=True) from error
        self.database_outage.recovered()
        return call_id

    def _end(self, call_id: int, call: Call, outcome: Outcome) -> None:
        """Complete the journal row; its loss costs a line of evidence, never the answer."""
        try:
            with self.lazy_pool.connection() as conn:
                stripe_calls.end(
                    conn,
                    call_id,
                    status=call.answer.http_status,
                    outcome=type(outcome).__name__.lower(),
                    request_id=call.request_id,
                    replayed=call.answer.replayed,
                    payment_intent_id=call.answer.payment_intent_id,
                )
        except database.UNAVAILABLE as error:
            self.database_outage.failed(error)


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
    gateway = Gateway(
        stripe=StripeGateway(settings),
        pool=pool,
        lazy_pool=lazy_pool,
        settings=settings,
        environment=process.common.environment,
        database_outage=Outage(logger, "PostgreSQL"),
        stripe_outage=Outage(logger, "Stripe"),
    )
    readiness = process.lifecycle.readiness
    readiness.expect("database")
    database.watch(pool, partial(readiness.set, "database"), process.lifecycle.stop)
    app = build_app(gateway, process)
    common, stop = process.common, process.lifecycle.stop
    try:
        serve(app, common.http_host, common.http_port, stop, problem.WIRE_ANSWERS)
    finally:
        pool.close()
        lazy_pool.close()


def build_app(gateway: Gateway, process: Process) -> FastAPI:
    """The FastAPI application."""
    # Every charge holds a thread for as long as Stripe takes, so there are many.
    threads = Threads(gateway.settings.threads)
    app = FastAPI(title="payments-gateway", version="1", docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.add_middleware(edge.Doorman, token=gateway.settings.token)
    add_probes(app, process.lifecycle.readiness.snapshot)
    edge.add_problem_handlers(app)

    @app.post("/charge", openapi_extra=CHARGE, responses=POSTED)
    async def charge(request: Request, response: Response) -> Answer:
        body = await edge.read(request, ChargeBody)
        return await threads.run(_charge, gateway, body, response)

    @app.post("/refund", openapi_extra=REFUND, responses=POSTED)
    async def refund(request: Request, response: Response) -> Answer:
        body = await edge.read(request, RefundBody)
        return await threads.run(_refund, gateway, body, response)

    @app.post("/cancel", openapi_extra=CANCEL, responses=POSTED)
    async def cancel(request: Request, response: Response) -> Answer:
        body = await edge.read(request, CancelBody)
        return await threads.run(_cancel, gateway, body, response)

    @app.get("/payment-intents/{payment_intent_id}", openapi_extra=SECURED, responses=ASKED)
    async def retrieve(
        payment_intent_id: Annotated[IntentId, Path(examples=["pi_1"])],
    ) -> IntentAnswer:
        return await threads.run(_retrieve, gateway, payment_intent_id)

    @app.get("/payment-intents", openapi_extra=SECURED, responses=ASKED)
    async def find(window: Annotated[Window, Query()]) -> IntentList:
        found = await threads.run(
            _find, gateway, window.created_gte, window.created_lte, str(window.event_id)
        )
        return IntentList(data=found)

    app.openapi().setdefault("components", {})["securitySchemes"] = edge.SECURITY_SCHEMES
    return app


def _charge(gateway: Gateway, body: ChargeBody, response: Response) -> Answer:
    method = body.payment_method or gateway.settings.default_payment_method
    charge = Charge(
        key=str(body.event_id),
        amount_cents=body.amount_cents,
        currency=body.currency,
        payment_method=method,
        payment_method_type=stripe_answers.payment_method_type(method),
        metadata={
            "event_id": str(body.event_id),
            "order_id": body.order_id,
            "tenant_id": body.tenant_id,
            "env": gateway.environment,
        },
    )
    call, outcome = gateway.journalled(
        "charge",
        key=charge.key,
        event_id=body.event_id,
        payment_intent_id=None,
        send=lambda: gateway.stripe.charge(charge),
        classify=stripe_answers.outcome_of_charge,
    )
    return _answer(call, outcome, response)


def _refund(gateway: Gateway, body: RefundBody, response: Response) -> Answer:
    metadata = {"refund_id": str(body.refund_id), "env": gateway.environment}
    call, outcome = gateway.journalled(
        "refund",
        key=body.key,
        event_id=None,
        payment_intent_id=body.payment_intent_id,
        send=lambda: gateway.stripe.refund(
            body.payment_intent_id,
            key=body.key,
            amount_cents=body.amount_cents,
            metadata=metadata,
        ),
        classify=stripe_answers.outcome_of_refund,
    )
    return _answer(call, outcome, response)


def _cancel(gateway: Gateway, body: CancelBody, response: Response) -> Answer:
    key = f"{body.event_id}:cancel"
    call, outcome = gateway.journalled(
        "cancel",
        key=key,
        event_id=body.event_id,
        payment_intent_id=body.payment_intent_id,
        send=lambda: gateway.stripe.cancel(body.payment_intent_id, key=key),
        classify=stripe_answers.outcome_of_charge,
    )
    return _answer(call, outcome, response)


def _answer(call: Call, outcome: Outcome, response: Response) -> Answer:
    """The answer body; Stripe's own status is mirrored in a header for those who log it."""
    if call.answer.http_status is not None:
        response.headers["X-Stripe-Status"] = str(call.answer.http_status)
    refund = call.stripe_object if call.stripe_object.get("object") == "refund" else {}
    return Answer(
        **answer_fields(outcome),
        decline_code=call.answer.decline_code,
        stripe_request_id=call.request_id,
        stripe_refund_id=refund.get("id"),
        replayed=call.answer.replayed,
    )


def _retrieve(gateway: Gateway, payment_intent_id: str) -> IntentAnswer:
    call = gateway.stripe.retrieve(payment_intent_id)
    if call.answer.http_status == 404 and call.answer.error_code == "resource_missing":
        return IntentAnswer(payment_intent=None)
    if call.stripe_object.get("object") != "payment_intent":
        raise Problem("stripe_unavailable")
    return IntentAnswer(payment_intent=intent_of(dict(call.stripe_object)))


def _find(
    gateway: Gateway, created_gte: int, created_lte: int | None, event_id: str
) -> list[Intent]:
    try:
        return [
            intent_of(dict(body))
            for body in gateway.stripe.list_created(created_gte, created_lte)
            if (body.get("metadata") or {}).get("event_id") == event_id
        ]
    except (stripe.StripeError, ListTooLongError) as error:
        raise Problem("stripe_unavailable") from error
