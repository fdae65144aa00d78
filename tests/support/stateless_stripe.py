"""A Stripe that remembers nothing: stripe-mock where it is on PATH, else a small double of it.

The double answers as stripe-mock does: a fixture of whatever is asked for, 200 for ids that nobody
made, one Request-Id for all, nothing kept. It is no stand-in for Stripe, and never meant to be one.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from tests.support.waiting import eventually

REQUEST_ID = "req_123"


@contextmanager
def stateless_stripe() -> Iterator[str]:
    """The address of one, for as long as the block lasts."""
    program = shutil.which("stripe-mock")
    with _stripe_mock(program) if program else _double() as address:
        yield address


@contextmanager
def _stripe_mock(program: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "-http-addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(answers, "stripe-mock listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def _double() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


_NUMBERS = count(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        form = parse_qs(self.rfile.read(length).decode())
        path = self.path.partition("?")[0]
        body = json.dumps(_fixture(self.command, path, form)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Request-Id", REQUEST_ID)
        self.send_header("Stripe-Mock-Version", "double")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _fixture(method: str, path: str, form: dict[str, list[str]]) -> dict[str, Any]:
    parts = path.strip("/").split("/")
    collection = parts[1] if len(parts) > 1 else ""
    name = parts[2] if len(parts) > 2 else f"{_PREFIX.get(collection, 'obj')}_mock{next(_NUMBERS)}"
    found = {
        "id": name,
        "object": collection.removesuffix("s"),
        "amount": int(form.get("amount", ["1099"])[0]),
        "amount_received": 0,
        "currency": form.get("currency", ["usd"])[0],
        "created": 1_234_567_890,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "status": "succeeded" if collection == "refunds" else "requires_payment_method",
    }
    if method == "GET" and len(parts) == 2:
        return {"object": "list", "url": path, "has_more": False, "data": [found]}
    return found


_PREFIX = {"payment_intents": "pi", "charges": "ch", "refunds": "re", "events": "evt"}
