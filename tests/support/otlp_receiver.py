"""A collector of traces of the tests' own: OTLP over HTTP, as its protobuf says, on a free port."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

REQUESTS_MAX: Final = 5_000
"""What is kept: some minutes of a busy stack. Tests ask for what they have just caused."""


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came over the wire; `parent_id` is empty for a beginning."""

    service: str
    process: str
    name: str
    kind: int
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    failed: bool
    attributes: dict[str, str | int | bool]


class OtlpReceiver:
    """What was sent, and whether the next request is answered."""

    def __init__(self) -> None:
        self.requests: deque[bytes] = deque(maxlen=REQUESTS_MAX)
        self.answering = threading.Event()
        self.answering.set()
        self.asked = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked += 1
                receiver.answering.wait()
                receiver.requests.append(body)
                assert (self.path, self.headers["Content-Type"]) == (
                    "/v1/traces",
                    "application/x-protobuf",
                )
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: what came is asked for."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Every span of one trace that has come so far."""
        return [
            span
            for body in [*self.requests]
            # Cheaper than decoding what other orders sent.
            if bytes.fromhex(trace_id) in body
            for span in decoded(body, trace_id)
        ]


def decoded(body: bytes, trace_id: str) -> Iterator[ReceivedSpan]:
    """The spans of one trace in one request."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        told = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                if span.trace_id.hex() != trace_id:
                    continue
                attributes = {
                    each.key: getattr(each.value, each.value.WhichOneof("value"))
                    for each in span.attributes
                }
                yield ReceivedSpan(
                    *(told["service.name"], told["service.instance.id"], span.name, span.kind),
                    *(span.span_id.hex(), span.parent_span_id.hex()),
                    *(span.start_time_unix_nano, span.end_time_unix_nano),
                    span.status.code == 2,
                    attributes,
                )


@contextmanager
def running_receiver() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    threading.Thread(target=receiver.server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.answering.set()
        receiver.server.shutdown()
        receiver.server.server_close()
