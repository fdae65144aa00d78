"""Plain routes are found by method and exact path; whatever else is asked goes to the framework.

On its way to a route a request passes seven layers of FastAPI and Starlette, each of which wraps
what is sent, none of which does anything for a route that takes the request and returns the
response. What such a route meets here is the same: the application's own middleware, its endpoint,
and the application's handler for what that raises.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from fastapi import FastAPI, Request, Response

from runtime.adapters.http.measured import App, Message
from runtime.adapters.http.serving import PlainRoute

_Handler = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """An ASGI application: the plain routes of another, and the other itself for the rest."""

    def __init__(self, app: FastAPI) -> None:
        """Read the application's routes and middleware, which are complete by now."""
        self._app = app
        self._routes = plain_routes(app)
        inside: App = self._answer
        for middleware in reversed(app.user_middleware):
            inside = middleware.cls(inside, *middleware.args, **middleware.kwargs)
        self._inside = inside

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        is_plain = (scope.get("method"), scope.get("path")) in self._routes
        await (self._inside if is_plain else self._app)(scope, receive, send)

    async def _answer(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        route = self._routes[scope["method"], scope["path"]]
        # As the framework leaves it, for whoever counts by route.
        scope.update(app=self._app, route=route, path_params={})
        request = Request(scope, receive, send)
        try:
            response: Response = await route.endpoint(request)
        except Exception as error:
            handlers = cast("Mapping[Any, _Handler]", self._app.exception_handlers)
            kind = next((kind for kind in type(error).__mro__ if kind in handlers), None)
            if kind is None:
                raise
            response = await handlers[kind](request, error)
            await response(scope, receive, send)
            if kind is Exception:
                # Nobody expected it: the server logs its trace, as it does behind the framework.
                raise
            return
        await response(scope, receive, send)


def plain_routes(app: FastAPI) -> dict[tuple[str, str], PlainRoute]:
    """The plain routes whose path has no parameter, by method and path."""
    return {
        (method, route.path): route
        for route in app.routes
        if isinstance(route, PlainRoute) and not route.param_convertors
        for method in route.methods or ()
    }
