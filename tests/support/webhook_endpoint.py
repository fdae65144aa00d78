"""A webhook endpoint of the tests' own, for what a twin sends."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import stripe

SECRET: Final = "whsec_suite"
"""What a twin in front of `Receiver` signs with."""


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
    """The event as Stripe's own library reads it, which refuses a signature that is not good."""
    event: stripe.Event = stripe.Webhook.construct_event(
        received.body, received.headers["Stripe-Signature"], secret
    )
    return event
