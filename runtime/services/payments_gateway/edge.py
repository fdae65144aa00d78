"""The gateway's door: the token before anything else, then a bounded, strict body, then its shape.

A caller without the token learns nothing, not even which paths there are. What is refused is
refused by a fixed sentence; pydantic's own answer would repeat the input.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from runtime import tracing
from runtime.adapters.http import problem
from runtime.adapters.http.serving import BodyFault, NoThreadError, read_json_body
from runtime.domain import strict_json
from runtime.domain.names import NOT_SENT_HEADER
from runtime.domain.shadow import (
    V1_HEADER,
    V1Outcome,
    V1OutcomeError,
    parse_v1_header,
)

BODY_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 8

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""What asks for no token: probes, and the description of the rest."""

TITLES: Final[dict[str, tuple[int, str]]] = {
    **problem.SHARED,
    "unauthorized": (401, "the gateway's token is needed"),
    "body_invalid": (422, "the body is not one JSON object"),
    "request_invalid": (422, "a field is missing, unknown, or not what this path takes"),
    "no_v1_outcome": (409, "shadow mode, and v1 has not said yet what became of it"),
    "journal_unavailable": (503, "the journal cannot be written; nothing was sent"),
    "stripe_unavailable": (503, "Stripe did not answer"),
    "busy": (503, "every thread is waiting for Stripe; nothing was sent"),
}

_FAULTS: Final = {
    BodyFault.CONTENT_TYPE: "content_type",
    BodyFault.TOO_LARGE: "body_too_large",
    BodyFault.SLOW: "request_timeout",
    BodyFault.CUT: "body_invalid",
}

SECURITY_SCHEMES: Final = {"bearer": {"type": "http", "scheme": "bearer"}}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Model = TypeVar("Model", bound=BaseModel)


class GatewayProblem(problem.HttpProblem):
    """A refusal by its code."""

    def __init__(
        self, code: str, *, not_sent: bool = False, retry_after_seconds: int | None = None
    ) -> None:
        # Only with this header may a caller conclude that Stripe was not asked.
        extra = {NOT_SENT_HEADER: "true"} if not_sent else {}
        if retry_after_seconds is not None:
            extra["Retry-After"] = str(retry_after_seconds)
        super().__init__(code, *TITLES[code], extra=extra)


class TokenMiddleware:
    """Middleware: a request without the token goes no further, wherever it was going."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            # The server's own start and stop come this way too.
            scope["type"] != "http"
            or scope["path"] in OPEN_PATHS
            # In constant time: how long a refusal takes must not tell how much of a guess was
            # right.
            or hmac.compare_digest(_bearer_of(scope), self._token)
        ):
            tracing.belongs_to_caller()
            await self._app(scope, receive, send)
        else:
            await problem.render(GatewayProblem("unauthorized"))(scope, receive, send)


def _bearer_of(scope: Scope) -> bytes:
    """The token of the only Authorization line; empty when there is none, or more than one."""
    # Two lines are none: a proxy may have checked the other one.
    lines = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, token = lines[0].partition(b" ") if len(lines) == 1 else (b"", b"", b"")
    return bytes(token.strip()) if scheme.lower() == b"bearer" else b""


async def read(request: Request, model: type[Model]) -> Model:
    """The request's body as `model`.

    Raises:
        GatewayProblem: there is no such body; nothing was sent.
    """
    raw = await read_json_body(request, bytes_max=BODY_BYTES_MAX)
    if isinstance(raw, BodyFault):
        raise GatewayProblem(_FAULTS[raw])
    try:
        document = strict_json.parse(raw, depth_max=DEPTH_MAX)
    except strict_json.NotStrictError:
        # Not chained: the cause quotes the input, and a trace would carry it into the log.
        raise GatewayProblem("body_invalid") from None
    try:
        return model.model_validate(document)
    except ValidationError:
        raise GatewayProblem("request_invalid") from None


V1_PARAMETER: Final = {
    "name": V1_HEADER,
    "in": "header",
    "description": "v1's outcome of this payment; only a gateway in shadow mode acts on it",
    "schema": {"type": "string"},
    "example": "declined; code=expired_card",
}


def v1_outcome_of(request: Request) -> V1Outcome | None:
    """v1's outcome in the request's header; None without one.

    Raises:
        GatewayProblem: the header is there and is none, or is there twice.
    """
    # All of them: the first of two that contradict each other is nobody's decision.
    said = request.headers.getlist(V1_HEADER)
    try:
        outcomes = [parse_v1_header(text) for text in said]
    except V1OutcomeError:
        raise GatewayProblem("request_invalid") from None
    if len(outcomes) > 1:
        raise GatewayProblem("request_invalid")
    return outcomes[0] if outcomes else None


def describe(model: type[BaseModel], **example: str | int) -> dict[str, Any]:
    """The OpenAPI request body of a route that reads it with `read`."""
    content = {"schema": model.model_json_schema(), "example": example}
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "security": [{"bearer": []}],
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Render every refusal at one place, without a word of the input."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        return problem.render(
            error if isinstance(error, GatewayProblem) else GatewayProblem("internal")
        )

    async def on_invalid(_request: Request, _error: Exception) -> Response:
        return problem.render(GatewayProblem("request_invalid"))

    async def on_busy(_request: Request, _error: Exception) -> Response:
        return problem.render(GatewayProblem("busy", not_sent=True))

    async def on_http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        refused = GatewayProblem("method_not_allowed" if status == 405 else "not_found")
        # The router's Allow, which a 405 must carry.
        refused.extra = dict(getattr(error, "headers", None) or {})
        return problem.render(refused)

    async def on_surprise(_request: Request, _error: Exception) -> Response:
        # Whether Stripe was asked is not known here, so the answer does not say it was not.
        return problem.render(GatewayProblem("internal"))

    app.add_exception_handler(GatewayProblem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(NoThreadError, on_busy)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_surprise)
