"""A schema registry with the questions that are asked of it, as Confluent's API documents them."""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

USER: Final = "auditor"
PASSWORD: Final = "a password of the test"
BY_NUMBER: Final = "/schemas/ids/"


@dataclass(slots=True)
class Registry:
    """Answers by their paths, and which numbers were asked for."""

    url: str
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def add(self, number: int, schema: dict[str, Any], **more: Any) -> None:
        self.answers[f"{BY_NUMBER}{number}"] = {"schema": json.dumps(schema), **more}

    def add_descriptor(self, place: str, file: bytes, **more: Any) -> None:
        """A schema in Protobuf, at a path from the registry's root."""
        schema = base64.b64encode(file).decode()
        answer = {"schemaType": "PROTOBUF", "schema": schema, **more}
        self.answers[f"/{place}?format=serialized"] = answer


def framed(number: int, fields: bytes) -> bytes:
    """A value as the registry's serializers write it."""
    return b"\0" + struct.pack(">i", number) + fields


@contextmanager
def running_registry() -> Iterator[Registry]:
    """Serve on a free port of 127.0.0.1 to who shows USER and PASSWORD."""
    found = Registry("")
    proof = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = self.path.partition("?")[0].removeprefix(BY_NUMBER)
            if self.headers.get("Authorization") != proof:
                self.answer(401, {"error_code": 401, "message": "Unauthorized"})
                return
            if number.isdigit():
                found.asked.append(int(number))
            if self.path in found.answers:
                self.answer(200, found.answers[self.path])
            else:
                code = 40403 if number.isdigit() else 40401
                self.answer(404, {"error_code": code, "message": f"{self.path} not found"})

        def answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
