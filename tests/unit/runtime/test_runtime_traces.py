"""Spans: named by what all processes know, told to a sink that never blocks, and free when off."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from runtime import tracing
from runtime.adapters import otlp
from runtime.config import Source, common
from runtime.domain.event import traceparent
from runtime.domain.names import EventId
from runtime.domain.trace import (
    SpanContext,
    of_attempt,
    of_inbox,
    of_insertion,
    of_publication,
    parse_traceparent,
)
from runtime.tracing import FinishedSpan, SpanSide
from tests.support.otlp_receiver import running_receiver

ROOT = EventId(UUID("11111111-2222-4333-8444-555555555555"))
EVENT = UUID("66666666-7777-4888-8999-aaaaaaaaaaaa")
OTHER_TRACE = SpanContext("ab" * 16, "cd" * 8)


@pytest.fixture
def told() -> Iterator[list[FinishedSpan]]:
    """Every span that ends in the test."""
    spans: list[FinishedSpan] = []
    tracing.send_to(spans.append)
    yield spans
    tracing.send_to(None)


def lost(result: str) -> float:
    found = REGISTRY.get_sample_value("bookpay_trace_spans_total", {"result": result})
    return found or 0.0


def finished(name: str) -> FinishedSpan:
    return FinishedSpan(name, SpanSide.INTERNAL, of_inbox(ROOT), None, 1, 2, {}, None)


def roll_back() -> None:
    """A transaction that wrote an event and did not commit."""
    with tracing.span("transaction"):
        tracing.inserted(ROOT, EVENT, "OrderPlaced")
        raise ValueError("rolled back")


# --- ids ----------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [of_publication(ROOT, EVENT), of_attempt(ROOT, EVENT)])
def test_what_a_header_names_is_the_span_that_wrote_the_header(named: SpanContext) -> None:
    assert parse_traceparent(traceparent(ROOT, EVENT)) == named
    assert named == SpanContext("11111111222243338444555555555555", "6666666677774888")


def test_an_orders_spans_are_of_its_trace_and_each_has_an_id_of_its_own() -> None:
    spans = [of_publication(ROOT, ROOT), of_insertion(ROOT, ROOT), of_inbox(ROOT)]

    assert {span.trace_id for span in spans} == {ROOT.hex}
    assert len({span.span_id for span in spans}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-" + "1" * 32,
        f"00-{'1' * 32}-{'2' * 16}",
        f"00-{'0' * 32}-{'2' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'2' * 16}-01",
        f"00-{'A' * 32}-{'2' * 16}-01",
        f"00-{'1' * 32}-{'2' * 16}-01\n",
    ],
)
def test_a_header_that_is_no_context_names_nobody(text: str) -> None:
    assert parse_traceparent(text) is None


# --- spans --------------------------------------------------------------------------------


def test_a_span_inside_another_is_its_child_and_both_learn_their_trace_late(
    told: list[FinishedSpan],
) -> None:
    with tracing.span("outer", SpanSide.SERVER), tracing.span("inner"):
        tracing.belongs_to(ROOT.hex)

    inner, outer = told
    assert {inner.context.trace_id, outer.context.trace_id} == {ROOT.hex}
    assert (inner.parent_id, outer.parent_id) == (outer.context.span_id, None)
    assert outer.began_ns <= inner.began_ns <= inner.ended_ns <= outer.ended_ns


def test_a_span_of_no_trace_is_not_told(told: list[FinishedSpan]) -> None:
    with tracing.span("outer"), tracing.span("inner"):
        pass

    assert told == []


def test_what_a_transaction_wrote_is_told_with_it_and_not_when_it_failed(
    told: list[FinishedSpan],
) -> None:
    with tracing.span("transaction"):
        tracing.inserted(ROOT, EVENT, "OrderPlaced")
    with pytest.raises(ValueError, match="rolled back"):
        roll_back()

    assert [(span.name, span.error) for span in told] == [
        ("transaction", None),
        ("outbox OrderPlaced", None),
        ("transaction", "ValueError"),
    ]
    assert told[1].context == of_insertion(ROOT, EVENT)
    assert told[1].parent_id == told[0].context.span_id


def test_a_held_span_ends_with_the_transaction_that_holds_it(told: list[FinishedSpan]) -> None:
    with tracing.held():
        with tracing.span("saga", parent=of_inbox(ROOT)):
            tracing.inserted(ROOT, EVENT, "OrderPaid")
        before_the_commit = [*told]
    with pytest.raises(ValueError, match="rolled back"), tracing.held():
        roll_back()

    assert before_the_commit == []
    assert [(span.name, span.error) for span in told] == [
        ("saga", None),
        ("outbox OrderPaid", None),
        ("transaction", "ValueError"),
    ]


@pytest.mark.parametrize(
    ("caller", "parent_id"),
    [(SpanContext(ROOT.hex, "ef" * 8), "ef" * 8), (OTHER_TRACE, of_inbox(ROOT).span_id)],
)
def test_a_caller_of_another_trace_is_nobodys_parent(
    told: list[FinishedSpan], caller: SpanContext, parent_id: str
) -> None:
    with tracing.span("edge", SpanSide.SERVER, caller=caller):
        tracing.belongs_to(ROOT.hex, of_inbox(ROOT))

    assert (told[0].context.trace_id, told[0].parent_id) == (ROOT.hex, parent_id)


def test_an_error_is_told_by_its_kind_and_never_by_its_words(told: list[FinishedSpan]) -> None:
    with pytest.raises(ValueError, match="4242"), tracing.span("call", parent=of_inbox(ROOT)):
        raise ValueError("card 4242")

    assert told[0].error == "ValueError"
    assert "4242" not in repr(told)


# --- export -------------------------------------------------------------------------------


def test_a_full_queue_loses_spans_counts_them_and_makes_nobody_wait() -> None:
    hanging, sent = threading.Event(), []

    def send(spans: Sequence[FinishedSpan]) -> bool:
        sent.append(len(spans))
        return hanging.wait()

    exporter, before = otlp.Exporter(send), lost("queue_full")
    thread = threading.Thread(target=exporter.run, daemon=True)
    thread.start()

    for number in range(2 * (otlp.QUEUE_MAX + otlp.BATCH_MAX)):
        exporter.take(finished(f"span {number}"))

    # What the thread had taken out of the queue by then is one request at most.
    assert lost("queue_full") - before >= otlp.QUEUE_MAX
    exporter.stop.set()
    hanging.set()
    thread.join(30)
    assert not thread.is_alive()


def test_spans_that_were_not_taken_are_counted_and_not_sent_again() -> None:
    answers = iter([False, True])
    exporter = otlp.Exporter(lambda _spans: next(answers))
    before = lost("not_taken"), lost("exported")
    exporter.stop.set()

    for _ in range(2):
        exporter.take(finished("span"))
        exporter.run()

    assert (lost("not_taken") - before[0], lost("exported") - before[1]) == (1, 1)


def test_a_span_arrives_as_it_was_told() -> None:
    attributes: dict[str, tracing.Attribute] = {"bookpay.outcome": "settled", "n": 3, "yes": True}
    span = FinishedSpan(
        *("call", SpanSide.CLIENT, of_attempt(ROOT, EVENT), "ab" * 8, 10**18, 10**18 + 7),
        *(attributes, "TimeoutError"),
    )
    with running_receiver() as receiver:
        settings = common(
            Source(
                {
                    "DB_DSN": "postgresql://user@host/database",
                    "BOOKPAY_PROCESS_NAME": "worker-7",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                }
            ),
            "payments-worker",
            None,
        )
        with otlp.exporting(settings, "payments-worker") as sink:
            sink(span)

        (arrived,) = receiver.trace(ROOT.hex)

    assert (arrived.service, arrived.process, arrived.name) == (
        "payments-worker",
        "worker-7",
        "call",
    )
    assert (arrived.span_id, arrived.parent_id) == (of_attempt(ROOT, EVENT).span_id, "ab" * 8)
    assert (arrived.began_ns, arrived.ended_ns) == (10**18, 10**18 + 7)
    assert arrived.failed
    assert arrived.attributes == {**attributes, "error.type": "TimeoutError"}


def test_a_stop_waits_for_a_hanging_collector_no_longer_than_is_said() -> None:
    with running_receiver() as receiver:
        receiver.answering.clear()
        settings = common(
            Source(
                {
                    "DB_DSN": "postgresql://user@host/database",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                }
            ),
            "notifier",
            None,
        )

        with otlp.exporting(settings, "notifier") as sink:
            sink(finished("span"))

        assert len(receiver.requests) == 0


# --- off ----------------------------------------------------------------------------------

MODULES_OF_THE_SDK = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
# Its API is there in any case: FastAPI asks it whether anybody measures.
ours = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""


def test_without_a_collector_no_process_loads_the_sdk() -> None:
    import runtime

    every = [
        found.name
        for found in pkgutil.walk_packages(runtime.__path__, "runtime.")
        if found.name != otlp.__name__
    ]
    assert {"runtime.__main__", "runtime.services.payments_worker.service"} < {*every}

    loaded = subprocess.run(
        [sys.executable, "-c", MODULES_OF_THE_SDK, *every],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(runtime.__path__[0]).parent,
    ).stdout

    assert loaded.strip() == "[]"


def test_while_it_is_off_nothing_is_made() -> None:
    assert not tracing.is_on()

    assert tracing.begin("span", SpanSide.SERVER, context=of_inbox(ROOT)) is None
    assert tracing.span("one") is tracing.span("another") is tracing.held()
