"""Rate, errors and duration of an edge: each answer once, under its route's template."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Response
from prometheus_client import REGISTRY

from runtime.adapters.http.measured import Measured
from runtime.adapters.http.serving import add_probes
from runtime.lifecycle import Readiness


def counted(route: str, status: int) -> float:
    labels = {"route": route, "status": str(status)}
    return REGISTRY.get_sample_value("bookpay_http_requests_total", labels) or 0.0


def timed(route: str) -> float:
    return REGISTRY.get_sample_value("bookpay_http_request_seconds_count", {"route": route}) or 0.0


class Client:
    """Asks the application itself, without a socket."""

    def __init__(self, app: Measured) -> None:
        self.app = app

    def ask(self, method: str, path: str) -> int:
        async def once() -> int:
            # An application's fault is an answer, as it is behind a server.
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
                return (await client.request(method, path)).status_code

        return asyncio.run(once())

    def get(self, path: str) -> int:
        return self.ask("GET", path)


@pytest.fixture
def client() -> Client:
    app = FastAPI()
    add_probes(app, Readiness())

    @app.get("/measured/{number}")
    async def show(number: int) -> Response:
        return Response(status_code=200 if number else 503)

    @app.get("/breaks")
    async def breaks() -> Response:
        raise RuntimeError("a fault of ours")

    return Client(Measured(app))


def test_each_answer_is_counted_by_its_template_and_status(client: Client) -> None:
    before = counted("/measured/{number}", 200), counted("/measured/{number}", 503)

    for number in (1, 2, 0):
        client.get(f"/measured/{number}")

    assert counted("/measured/{number}", 200) == before[0] + 2
    assert counted("/measured/{number}", 503) == before[1] + 1
    assert timed("/measured/{number}") >= 3


def test_a_path_that_somebody_made_up_is_no_series(client: Client) -> None:
    before = counted("other", 404)

    for path in ("/made/up", "/measured", "/..%2f"):
        assert client.get(path) == 404

    assert counted("other", 404) == before + 3
    assert counted("/made/up", 404) == 0


def test_a_wrong_method_and_a_fault_of_ours_are_answers_too(client: Client) -> None:
    wrong, broken = counted("/measured/{number}", 405), counted("/breaks", 500)

    client.ask("POST", "/measured/1")
    client.get("/breaks")

    assert counted("/measured/{number}", 405) == wrong + 1
    assert counted("/breaks", 500) == broken + 1


def test_probes_are_nobodys_traffic(client: Client) -> None:
    client.get("/healthz")
    client.get("/metrics")

    assert counted("/healthz", 200) == counted("/metrics", 200) == 0.0
    assert timed("/metrics") == 0.0
