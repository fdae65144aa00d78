"""Spans leave by OTLP over HTTP, with OpenTelemetry's SDK; imported where a collector is named.

The promise: whoever does an order's work never waits. It puts a finished span into a bounded queue,
or counts it as lost when the queue is full. One thread of our own turns spans into the SDK's and
sends them; while the collector is away it waits there, alone.

The SDK's own queue is not used, because what it loses is counted nowhere that we can ask.

Source:
    opentelemetry-sdk 1.45: TracerProvider, IdGenerator, SpanProcessor. OTLPSpanExporter reads
    OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE, _TIMEOUT and _COMPRESSION by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Final

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanKind, Status, StatusCode, TraceFlags

from runtime import metrics
from runtime.config import Common
from runtime.domain.trace import SpanContext
from runtime.telemetry import Outage
from runtime.tracing import FinishedSpan, SpanSide
from runtime.version import package_version

logger = logging.getLogger(__name__)

QUEUE_MAX: Final = 8_192
"""Spans that may wait, some ten megabytes: a second of the fastest process."""

BATCH_MAX: Final = 512
"""Spans of one request, as the SDK's own default."""

LOOK_SECONDS: Final = 0.2
"""How often the queue is looked at: spans of one moment leave in one request."""

STOP_SECONDS: Final = 2.0
"""What the spans of the last moment may add to a stop; below every supervisor's patience."""

_KINDS: Final = {kind: SpanKind[kind.name] for kind in SpanSide}


class _GivenIds(IdGenerator):
    """Gives a span the ids that it had before the SDK heard of it. For one thread."""

    def __init__(self) -> None:
        self.context = SpanContext("", "")

    def generate_trace_id(self) -> int:
        return int(self.context.trace_id, 16)

    def generate_span_id(self) -> int:
        return int(self.context.span_id, 16)


class _Ended(SpanProcessor):
    """Keeps what the SDK has finished, for one request."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@dataclass(slots=True)
class Exporter:
    """The queue, and the thread that empties it.

    Attributes:
        send: one request; whether the collector took it. May take as long as it likes.
    """

    send: Callable[[Sequence[FinishedSpan]], bool]
    queue: Queue[FinishedSpan] = field(default_factory=lambda: Queue(QUEUE_MAX))
    stop: threading.Event = field(default_factory=threading.Event)
    outage: Outage = field(default_factory=lambda: Outage(logger, "the collector of traces"))

    def take(self, span: FinishedSpan) -> None:
        """Queue a span, or lose it; never waits."""
        try:
            self.queue.put_nowait(span)
        except Full:
            metrics.TRACE_SPANS.labels("queue_full").inc()

    def run(self) -> None:
        """Send what is queued until stopped, then what is left."""
        while not self.stop.wait(LOOK_SECONDS):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while batch := self._next_batch():
            if self.send(batch):
                self.outage.recovered()
                metrics.TRACE_SPANS.labels("exported").inc(len(batch))
            else:
                self.outage.failed(ConnectionError("spans were not taken"))
                metrics.TRACE_SPANS.labels("not_taken").inc(len(batch))

    def _next_batch(self) -> list[FinishedSpan]:
        batch: list[FinishedSpan] = []
        while len(batch) < BATCH_MAX:
            try:
                batch.append(self.queue.get_nowait())
            except Empty:
                break
        return batch


@contextmanager
def exporting(common: Common, service: str) -> Iterator[Callable[[FinishedSpan], None]]:
    """Export to the collector that `common` names; yields the sink."""
    # It says at each try what `Outage` says once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    session = requests.Session()
    # Where the collector is, the setting says alone; no proxy and no password of the shell's.
    session.trust_env = False
    otlp = OTLPSpanExporter(endpoint=f"{common.otlp_endpoint}/v1/traces", session=session)
    exporter = Exporter(sender(otlp, resource_of(common, service)))
    # A daemon: a collector that takes its time holds up no stop.
    thread = threading.Thread(target=exporter.run, name="otlp", daemon=True)
    thread.start()
    try:
        yield exporter.take
    finally:
        exporter.stop.set()
        thread.join(STOP_SECONDS)
        otlp.shutdown()  # type: ignore[no-untyped-call]


def resource_of(common: Common, service: str) -> Resource:
    """Who says it: the service by its metric label's name, and the process by its own."""
    return Resource.create(
        {
            "service.name": service,
            "service.instance.id": common.process,
            "service.version": package_version(),
            "service.namespace": "bookpay",
            "deployment.environment.name": common.environment,
        }
    )


def sender(otlp: OTLPSpanExporter, resource: Resource) -> Callable[[Sequence[FinishedSpan]], bool]:
    """A function that sends spans in one request; to be called by one thread."""
    ids, ended = _GivenIds(), _Ended()
    # Named: the environment's sampler would leave out orders by ids that are not random throughout.
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=ids)
    provider.add_span_processor(ended)
    tracer = provider.get_tracer("bookpay.runtime", package_version())

    def send(spans: Sequence[FinishedSpan]) -> bool:
        ended.spans = []
        for span in spans:
            ids.context = span.context
            _replay(tracer, span)
        return otlp.export(ended.spans) is SpanExportResult.SUCCESS

    return send


def _replay(tracer: trace.Tracer, span: FinishedSpan) -> None:
    """Begin and end a span of the SDK's as ours began and ended."""
    within = None
    if span.parent_id is not None:
        parent = trace.SpanContext(
            *(int(span.context.trace_id, 16), int(span.parent_id, 16)),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
        within = trace.set_span_in_context(NonRecordingSpan(parent))
    begun = tracer.start_span(
        *(span.name, within, _KINDS[span.kind], span.attributes), start_time=span.began_ns
    )
    if span.error is not None:
        begun.set_attribute("error.type", span.error)
        begun.set_status(Status(StatusCode.ERROR))
    begun.end(span.ended_ns)
