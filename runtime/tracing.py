"""Spans: what a process did for an order, from when to when, and for whom.

Off unless somebody wants them (`send_to`): then nothing is measured, made or kept. What is told of
a span are words of ours and ids, never what a customer or Stripe wrote. A span ends in a call of
the sink, which must not block; nothing here knows where spans go.

A span without a trace is not told: a request that came to no order, a record that names none.

Source:
    OpenTelemetry specification, "Tracing API", for kinds and parents.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from uuid import UUID, uuid4

from runtime.domain.names import EventId
from runtime.domain.trace import SpanContext, of_insertion

Attribute = str | int | bool


class SpanSide(Enum):
    """Which side of a call a span is on, by OpenTelemetry's names."""

    INTERNAL = auto()
    SERVER = auto()
    CLIENT = auto()
    PRODUCER = auto()
    CONSUMER = auto()


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """What a sink is told.

    Attributes:
        parent_id: the parent's span id, of the same trace; None for a beginning.
        began_ns, ended_ns: Unix time; the length is by a clock that never goes back.
        error: the kind of what went wrong; never its message, which may quote anything.
    """

    name: str
    kind: SpanSide
    context: SpanContext
    parent_id: str | None
    began_ns: int
    ended_ns: int
    attributes: dict[str, Attribute]
    error: str | None


@dataclass(slots=True)
class Span:
    """A span that has not ended.

    Attributes:
        trace_id: of the outermost span alone, and perhaps known later than its beginning.
        caller: whose child it is if it turns out to be of that trace, and not otherwise.
    """

    name: str
    kind: SpanSide
    span_id: str
    trace_id: str | None = None
    parent: Span | None = None
    parent_id: str | None = None
    caller: SpanContext | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    insertions: list[tuple[SpanContext, str, int]] = field(default_factory=list)
    began_ns: int = field(default_factory=time.time_ns)
    began: int = field(default_factory=time.perf_counter_ns)

    @property
    def outermost(self) -> Span:
        found = self
        while found.parent is not None:
            found = found.parent
        return found

    def now_ns(self) -> int:
        """Unix time, by a clock that never goes back."""
        return self.began_ns + time.perf_counter_ns() - self.began

    def end(self, error: str | None = None) -> None:
        """Tell the sink, now or when what holds it is left (`held`)."""
        kept = _held.get()
        if kept is None:
            _tell(self, error)
        else:
            kept.append((self, error))


_sink: Callable[[FinishedSpan], None] | None = None
_current: Final[ContextVar[Span | None]] = ContextVar("span", default=None)
_held: Final[ContextVar[list[tuple[Span, str | None]] | None]] = ContextVar("held", default=None)
_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


def send_to(sink: Callable[[FinishedSpan], None] | None) -> None:
    """Have every span of this process told; None: no more."""
    global _sink
    _sink = sink


def is_on() -> bool:
    return _sink is not None


def begin(
    name: str,
    kind: SpanSide,
    *,
    parent: SpanContext | None = None,
    context: SpanContext | None = None,
    caller: SpanContext | None = None,
) -> Span | None:
    """A span that begins now, for who ends it by hand; None while nobody wants spans.

    Args:
        parent: the span of another process; without it, the one that is current here.
        context: what it is called, where others know that without being told.
        caller: whose child it is if it turns out to be of that trace, and not otherwise.
    """
    if _sink is None:
        return None
    known = context or parent
    return Span(
        name,
        kind,
        context.span_id if context else uuid4().hex[:16],
        known.trace_id if known else None,
        _current.get() if known is None else None,
        parent.span_id if parent else None,
        caller,
    )


def span(
    name: str,
    kind: SpanSide = SpanSide.INTERNAL,
    *,
    parent: SpanContext | None = None,
    context: SpanContext | None = None,
    caller: SpanContext | None = None,
) -> AbstractContextManager[None]:
    """A span around what is done inside; an exception that leaves it is its error.

    Arguments as of `begin`.
    """
    begun = begin(name, kind, parent=parent, context=context, caller=caller)
    return _NOTHING if begun is None else _around(begun)


@contextmanager
def _around(begun: Span) -> Iterator[None]:
    try:
        with inside(begun):
            yield
    except BaseException as error:
        begun.end(type(error).__name__)
        raise
    begun.end()


def inside(begun: Span | None) -> AbstractContextManager[None]:
    """Make a span the current one; it does not end with that."""
    return _NOTHING if begun is None else _made_current(begun)


@contextmanager
def _made_current(begun: Span) -> Iterator[None]:
    token = _current.set(begun)
    try:
        yield
    finally:
        _current.reset(token)


def rename(name: str) -> None:
    """What the current span is called, when that is known only now."""
    current = _current.get()
    if current is not None:
        current.name = name


def note(**attributes: Attribute | None) -> None:
    """Say something of the current span; double underscores stand for dots."""
    current = _current.get()
    if current is not None:
        current.attributes |= {
            name.replace("__", "."): value
            for name, value in attributes.items()
            if value is not None
        }


def belongs_to(trace_id: str, parent: SpanContext | None = None) -> None:
    """What the current span is part of is of this trace, if it was of none.

    Args:
        parent: whose child the outermost is, unless its caller is of the same trace.
    """
    current = _current.get()
    outermost = None if current is None else current.outermost
    if outermost is None or outermost.trace_id is not None:
        return
    caller = outermost.caller
    cause = caller if caller is not None and caller.trace_id == trace_id else parent
    outermost.trace_id, outermost.parent_id = trace_id, cause.span_id if cause else None


def belongs_to_caller() -> None:
    """The current span is of its caller's trace. For callers who proved who they are."""
    current = _current.get()
    if current is not None and current.caller is not None:
        belongs_to(current.caller.trace_id)


def inserted(root: EventId, event_id: UUID, event_type: str) -> None:
    """The current span's transaction writes an event into the outbox."""
    current = _current.get()
    if current is not None:
        belongs_to(root.hex)
        current.insertions.append((of_insertion(root, event_id), event_type, current.now_ns()))


def held() -> AbstractContextManager[None]:
    """Around a transaction of many orders: spans that end inside end, and are told, with it."""
    return _NOTHING if _sink is None else _holding()


@contextmanager
def _holding() -> Iterator[None]:
    kept: list[tuple[Span, str | None]] = []
    token, failed = _held.set(kept), None
    try:
        yield
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        _held.reset(token)
        for ended, own in kept:
            _tell(ended, own or failed)


def _tell(ended: Span, error: str | None) -> None:
    sink, trace_id = _sink, ended.outermost.trace_id
    if sink is None or trace_id is None:
        return
    parent_id = ended.parent.span_id if ended.parent else ended.parent_id
    context, until_ns = SpanContext(trace_id, ended.span_id), ended.now_ns()
    times = (ended.began_ns, until_ns)
    sink(FinishedSpan(ended.name, ended.kind, context, parent_id, *times, ended.attributes, error))
    # Not after an error: what a transaction would have written was never there.
    for context, event_type, began_ns in ended.insertions if error is None else ():
        named: dict[str, Attribute] = {"bookpay.event_type": event_type}
        times, name = (began_ns, until_ns), f"outbox {event_type}"
        sink(FinishedSpan(name, SpanSide.INTERNAL, context, ended.span_id, *times, named, None))
