"""Whoever needs the gateway says once that it has gone, and once that it is back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from runtime.adapters import gateway_client
from runtime.adapters.gateway_client import CHECK, GatewayClient
from runtime.config import Deadlines, GatewayClientConfig
from runtime.lifecycle import Readiness
from runtime.telemetry import Outage
from tests.support.any_answer import AnsweringServer, answer, answering_server
from tests.support.waiting import eventually

READY: Final = answer(200, {}, b"ready")
NOT_READY: Final = answer(503, {}, b"stripe_circuit")
LOOKS: Final = 5
"""Enough to see that what is said once is not said again."""


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering_server() as running:
        running.says = NOT_READY
        yield running


@pytest.fixture
def readiness(server: AnsweringServer) -> Iterator[Readiness]:
    """Kept by a watch that logs as `watched`."""
    config = GatewayClientConfig(server.url, "token", Deadlines(5, 6, 7, 8))
    kept, stop = Readiness(), threading.Event()
    outage = Outage(logging.getLogger("watched"), "payments-gateway")
    gateway_client.watch(GatewayClient(config, connections_max=1), kept, stop, outage)
    yield kept
    stop.set()


def looked_at_again(server: AnsweringServer) -> None:
    before = len(server.heard)
    eventually(lambda: len(server.heard) >= before + LOOKS, "it is looked at again")


def test_one_that_goes_and_comes_back_is_told_once_each(
    server: AnsweringServer, readiness: Readiness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="watched")
    server.says = READY
    eventually(lambda: readiness.snapshot()[CHECK], "it is ready")

    server.says = NOT_READY
    eventually(lambda: not readiness.snapshot()[CHECK], "it is not ready any more")
    looked_at_again(server)
    server.says = READY
    eventually(lambda: readiness.snapshot()[CHECK], "it is ready again")
    looked_at_again(server)

    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("WARNING", "payments-gateway is unavailable; trying again until it is back"),
        ("INFO", "payments-gateway is back"),
    ]


def test_one_that_is_still_starting_is_no_outage(
    server: AnsweringServer,
    readiness: Readiness,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow this machine is.
    monkeypatch.setattr(gateway_client, "UNHEARD_SECONDS", 3600.0)
    looked_at_again(server)

    assert readiness.reasons()[CHECK] == "payments-gateway does not answer or is not ready"
    assert caplog.records == []


def test_one_that_never_answers_is_an_outage_in_the_end(
    server: AnsweringServer,
    readiness: Readiness,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_client, "UNHEARD_SECONDS", 0.0)
    looked_at_again(server)

    assert not readiness.snapshot()[CHECK]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
