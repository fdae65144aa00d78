"""A plain route answers alike, whether its framework stands before it or not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from runtime.adapters.http.direct import Direct, plain_routes
from runtime.adapters.http.serving import PlainRoute, add_probes
from runtime.lifecycle import Readiness


class RefusedError(Exception):
    """What the routes below may raise, and have a word for."""


class OddlyRefusedError(RefusedError):
    """One of its kind."""


class NeedsAName:
    """Middleware: who says no name comes no further."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not any(name == b"name" for name, _ in scope["headers"]):
            await Response("no name", 401)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class CountedFastAPI(FastAPI):
    """Knows how often it was asked itself."""

    asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await super().__call__(scope, receive, send)


def built() -> CountedFastAPI:
    app = CountedFastAPI()
    app.router.redirect_slashes = False
    app.router.route_class = PlainRoute
    app.add_middleware(NeedsAName)
    add_probes(app, Readiness())

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), 201, {"X-Asked-By": request.headers["name"]})

    @app.get("/things/{number}")
    async def thing(request: Request) -> Response:
        return Response(request.path_params["number"])

    @app.post("/refuses")
    async def refuses(_request: Request) -> Response:
        raise OddlyRefusedError

    @app.post("/breaks")
    async def breaks(_request: Request) -> Response:
        raise LookupError("nobody expected this")

    async def on_refused(_request: Request, _error: Exception) -> Response:
        return Response("refused", 422)

    async def on_surprise(_request: Request, _error: Exception) -> Response:
        return Response("a fault of ours", 500)

    app.add_exception_handler(RefusedError, on_refused)
    app.add_exception_handler(Exception, on_surprise)
    return app


def ask(app: Any, method: str, path: str, *, raises: bool = False, **options: Any) -> Any:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=raises)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            return await client.request(method, path, **options)

    answer = asyncio.run(once())
    return answer.status_code, answer.content, sorted(answer.headers.items())


NAMED = {"name": "reader"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/echo", NAMED, 201),
        ("POST", "/echo", {}, 401),
        ("GET", "/echo", NAMED, 405),
        ("POST", "/echo/", NAMED, 404),
        ("POST", "/%65cho", NAMED, 201),
        ("POST", "/refuses", NAMED, 422),
        ("POST", "/breaks", NAMED, 500),
        ("POST", "/breaks", {}, 401),
        ("GET", "/things/7", NAMED, 200),
        ("GET", "/healthz", NAMED, 200),
        ("GET", "/nowhere", NAMED, 404),
    ],
)
def test_an_answer_is_the_same_with_the_framework_and_without_it(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    app = built()

    straight = ask(Direct(app), method, path, headers=headers, content=b"said")

    assert straight == ask(app, method, path, headers=headers, content=b"said")
    assert straight[0] == status


def test_a_plain_route_does_not_pass_through_the_framework() -> None:
    app = built()

    ask(Direct(app), "POST", "/echo", headers=NAMED)
    straight = app.asked
    ask(Direct(app), "GET", "/things/7", headers=NAMED)

    assert (straight, app.asked) == (0, 1)
    assert ("POST", "/echo") in plain_routes(app)


def test_what_nobody_expected_is_raised_to_the_server_when_it_is_answered() -> None:
    with pytest.raises(LookupError, match="nobody expected this"):
        ask(Direct(built()), "POST", "/breaks", raises=True, headers=NAMED)
