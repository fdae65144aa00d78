"""The API may be open to others while the control API is not, and a kubelet needs no key."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.twin import TwinProcess

# All of 127/8 is this machine; only a listener on every address answers on this one.
OTHER_ADDRESS = "127.0.0.2"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[TwinProcess]:
    process = TwinProcess(tmp_path / "twin", "--host", "0.0.0.0")  # noqa: S104 - as in a pod
    yield process
    assert process.stop() == 0, process.log.read_text()


def answers_on(address: str, url: str) -> bool:
    try:
        socket.create_connection((address, urlsplit(url).port or 0), 3).close()
    except OSError:
        return False
    return True


def test_an_api_on_every_address_leaves_the_control_api_on_loopback(opened: TwinProcess) -> None:
    assert answers_on(OTHER_ADDRESS, opened.api)
    assert answers_on("127.0.0.1", opened.control)
    assert not answers_on(OTHER_ADDRESS, opened.control)


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_a_probe_on_the_api_port_needs_no_key_and_leaves_no_trace(
    opened: TwinProcess, path: str
) -> None:
    answer = opened.http.request("GET", opened.api + path)

    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert opened.rows("/requests") == []


def test_a_probe_is_answered_while_stripe_is_made_to_be_away(opened: TwinProcess) -> None:
    opened.fault("rate_limit")
    opened.fault("latency", numbers={"milliseconds": 60_000})

    answer = opened.http.request("GET", f"{opened.api}/readyz")

    assert answer.status == 200


def test_only_a_get_of_these_two_paths_is_a_probe(opened: TwinProcess) -> None:
    post = opened.http.request("POST", f"{opened.api}/readyz")
    below = opened.http.request("GET", f"{opened.api}/readyz/more")
    api = opened.http.request("GET", f"{opened.api}/v1/balance")

    assert [answer.status for answer in (post, below, api)] == [401, 401, 401]
