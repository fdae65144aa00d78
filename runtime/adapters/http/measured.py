"""Rate, errors and duration of what a service answers over HTTP, with a span of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from runtime import metrics, tracing
from runtime.domain.trace import SpanContext, parse_traceparent

OTHER: Final = "other"
"""The route of what no route takes."""

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


@dataclass(frozen=True, slots=True)
class Measured:
    """An ASGI application, each of whose answers is counted and timed at its first byte.

    Probes are not: whoever looks at these figures asks for them, too.
    """

    app: App

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = route_of(scope)
                if route is not None:
                    metrics.HTTP_REQUESTS.labels(route, str(message["status"])).inc()
                    metrics.HTTP_SECONDS.labels(route).observe(time.monotonic() - began)
                    tracing.rename(f"{scope['method']} {route}")
                    tracing.note(http__route=route, http__response__status_code=message["status"])
            await send(message)

        caller = _caller(scope) if tracing.is_on() else None
        with tracing.span(scope["method"], tracing.SpanSide.SERVER, caller=caller):
            await self.app(scope, receive, count)


def _caller(scope: Message) -> SpanContext | None:
    """The span that asks, by the only traceparent line."""
    lines = [value for name, value in scope["headers"] if name == b"traceparent"]
    return parse_traceparent(lines[0].decode("latin-1")) if len(lines) == 1 else None


def route_of(scope: Message) -> str | None:
    """The route's template, as FastAPI left it in the scope; None for a probe."""
    route = scope.get("route")
    if route is None:
        return OTHER
    # What is in no OpenAPI document is nobody's traffic.
    return str(route.path) if getattr(route, "include_in_schema", True) else None


def count_refused(status: int) -> None:
    """A request that was refused before the application saw it."""
    metrics.HTTP_REQUESTS.labels(OTHER, str(status)).inc()
