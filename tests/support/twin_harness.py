"""A twin as its users meet it: a process of its own on free ports, and a receiver of webhooks."""

from __future__ import annotations

import http.server
import json
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import stripe
import urllib3

T = TypeVar("T")
START_SECONDS_MAX = 30.0
CARD = {
    "amount": 2000,
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "payment_method_types[]": "card",
}


# What `hooked` signs with.
SECRET = "whsec_suite"

# Never set: waiting on it is a pause that a debugger can tell from a hang.
_PAUSE = threading.Event()


def wait_for(question: Callable[[], T | None], what: str, seconds: float = 15.0) -> T:
    """The first answer to `question` that is true; fails the test at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        _PAUSE.wait(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def new_key() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class TwinAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.json["error"])


# Every process a test started, so that a test that fails midway leaves none behind.
STARTED: list[subprocess.Popen[bytes]] = []


class TwinProcess:
    """One twin process; `kill` is SIGKILL, `stop` is SIGTERM and waits."""

    def __init__(self, data: Path, *arguments: str, before: tuple[str, ...] = ()) -> None:
        """`before` goes in front of the command, to limit what the process may do."""
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / f"log-{new_key()}"
        python = (sys.executable, "-m", "bookpayctl.stripe_twin")
        command = [*before, *python, "--data", str(data), *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log)
        STARTED.append(self.process)
        line = wait_for(self._started, "the twin listens", START_SECONDS_MAX)
        self.api, self.control = re.findall(r"http://[0-9.:]+", line)
        self._pool = urllib3.PoolManager(retries=False, timeout=30.0, maxsize=50)

    def _started(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        lines = self.log.read_text().splitlines()
        return next((line for line in lines if "listens on" in line), None)

    def sdk(self, key: str = "sk_test_suite", **options: Any) -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": self.api}, **options)

    def post(
        self,
        path: str,
        parameters: Mapping[str, object] | None = None,
        key: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> TwinAnswer:
        """A form; `headers` go out beside the usual ones, or in place of them."""
        sent = {"Authorization": "Bearer sk_test_suite", **(headers or {})}
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        if key is not None:
            sent["Idempotency-Key"] = key
        response = self._pool.request(
            "POST", self.api + path, body=urlencode(parameters or {}).encode(), headers=sent
        )
        return TwinAnswer(response.status, response.headers, response.data)

    def get(
        self, path: str, *, account: str | None = None, method: str = "GET", **fields: Any
    ) -> TwinAnswer:
        """A request without a body; `fields` go into the query."""
        response = self._pool.request(
            method,
            self.api + path,
            fields={name: str(value) for name, value in fields.items()},
            headers={"Authorization": "Bearer sk_test_suite"}
            | ({"Stripe-Account": account} if account else {}),
        )
        return TwinAnswer(response.status, response.headers, response.data)

    def charge(self, key: str | None = None, **parameters: object) -> TwinAnswer:
        """A confirmed PaymentIntent, by default a good card and 20 dollars."""
        return self.post("/v1/payment_intents", {**CARD, **parameters}, key)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The control API; any refusal fails the test."""
        response = self._pool.request(
            method,
            self.control + path,
            body=None if body is None else json.dumps(body).encode(),
        )
        assert response.status == 200, response.data
        return json.loads(response.data)

    def rows(self, path: str) -> list[dict[str, Any]]:
        return list(self.ask("GET", path)["data"])

    def fault(self, action: str, **definition: object) -> str:
        return str(self.ask("POST", "/faults", {"action": action, **definition})["id"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)
        self._pool.clear()

    def stop(self) -> int:
        self._pool.clear()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@dataclass(frozen=True, slots=True)
class Received:
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """A webhook receiver that keeps what it gets and answers as told."""

    port: int = 0
    status: int = 200
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class RecordingHandler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received(dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Nothing: pytest shows what failed."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), RecordingHandler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stripe/webhook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def events(self, event_type: str, object_id: str | None = None) -> list[Received]:
        """What arrived of one type, for one object, as far as it is JSON."""
        found = []
        for received in list(self.received):
            try:
                event = received.event
            except ValueError:
                continue
            subject = event.get("data", {}).get("object", {}).get("id")
            if event.get("type") == event_type and object_id in (None, subject):
                found.append(received)
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def verified(received: Received, secret: str = SECRET) -> stripe.Event:
    event: stripe.Event = stripe.Webhook.construct_event(
        received.body, received.headers["Stripe-Signature"], secret
    )
    return event
