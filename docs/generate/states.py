"""The state machines as pictures, drawn by asking the machines themselves.

From each way a row can begin, every event with every kind of content is tried, and again on what
came of it, until nothing new comes. What is drawn can happen; what is not drawn cannot.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from docs.generate.markdown import code, mermaid, table
from runtime.domain import payment as payments
from runtime.domain import payment_events
from runtime.domain import refund as refunds
from runtime.domain.key_history import KeyHistory
from runtime.domain.names import (
    FINAL_PAYMENT_STATES,
    OrderStatus,
    PaymentState,
    RefundState,
)
from runtime.domain.order import OrderEvent, next_order_step
from runtime.domain.payment_events import Payment
from runtime.domain.refund import Refund
from runtime.domain.retry import KEY_AGE_SECONDS_MAX, TRANSIENT_FAILURES_MAX

# Contents that make a difference, by type; a key is young, old, or not in use yet.
_CONTENTS: Final[dict[Any, tuple[Any, ...]]] = {
    bool: (False, True),
    float: (0.0, KEY_AGE_SECONDS_MAX + 1),
    int: (1,),
    str: ("some_code",),
    NoneType: (None,),
}
# Stripe's own words for a refund.
_STATUSES: Final = ("pending", "requires_action", "succeeded", "failed", "canceled")

# Who brings an event, for the labels of the pictures.
_BRINGERS: Final = {
    "Claimed": "worker",
    "LeaseLost": "worker",
    "Answered": "worker",
    "SeenSucceeded": "webhook, reconciler",
    "SeenFailed": "webhook, reconciler",
    "SeenOpen": "webhook, reconciler",
    "SeenOtherMoney": "reconciler",
    "SeenAbsent": "reconciler",
    "OrderCancelled": "order",
    "Redriven": "operator",
    "RefundSucceeded": "refund",
    "RefundFailed": "refund",
    "NothingOwed": "money moved by others",
    "RefundClaimed": "worker",
    "RefundLeaseLost": "worker",
    "RefundAnswered": "worker",
    "RefundSeen": "webhook, reconciler",
    "RefundAbsent": "reconciler",
    "RefundUnneeded": "money moved by others",
}


# A parked call's reason matters to a refund when it is this one.
_REASONS: Final = ("some_code", refunds.MORE_THAN_LEFT)

# Where nothing more is owed; a later event may still come, such as a bank sending a refund back.
_REFUND_ENDS: Final = (RefundState.SUCCEEDED, RefundState.FAILED)
_ORDER_ENDS: Final = (OrderStatus.PAID, OrderStatus.CANCELLED, OrderStatus.REFUNDED)

Row = TypeVar("Row", Payment, Refund)


@dataclass(frozen=True, slots=True)
class Edge:
    """One step from a state to another, by an event."""

    source: str
    target: str
    event: str
    bringer: str


@cache
def payment() -> str:
    """The payment machine, `runtime/domain/payment.py`."""
    starts = (
        ("OrderPlaced", Payment(PaymentState.PENDING)),
        (
            "OrderPlaced, older than a key lives",
            Payment(
                PaymentState.UNKNOWN, key=KeyHistory(maybe_executed=True, needs_reconcile=True)
            ),
        ),
        ("OrderCancelled came first", payments.tombstone().payment),
    )
    edges = _explore([row for _, row in starts], _payment_steps)
    return _drawn([(label, row.state.value) for label, row in starts], FINAL_PAYMENT_STATES, edges)


def _payment_steps(row: Payment) -> Iterator[tuple[Edge, Payment]]:
    for event in _every(payment_events.Event):
        verdict = payments.step(row, event)
        if not isinstance(verdict, payment_events.Step):
            continue
        after = replace(verdict.payment, key=_bounded(verdict.payment.key))
        bringer = _BRINGERS[type(event).__name__]
        stops = [row.state, *([verdict.via] if verdict.via else []), after.state]
        for source, target in itertools.pairwise(stops):
            yield Edge(source.value, target.value, _words(event), bringer), after


@cache
def refund() -> str:
    """The refund machine, `runtime/domain/refund.py`."""
    start = Refund(RefundState.PENDING)
    edges = _explore([start], _refund_steps)
    return _drawn([("asked for", start.state.value)], _REFUND_ENDS, edges)


def _refund_steps(row: Refund) -> Iterator[tuple[Edge, Refund]]:
    for event in _every(refunds.RefundEvent):
        if isinstance(event, refunds.RefundAnswered) and row.state is not RefundState.SENDING:
            continue
        after = refunds.next_refund(row, event)
        after = replace(after, key=_bounded(after.key))
        bringer = _BRINGERS[type(event).__name__]
        yield Edge(row.state.value, after.state.value, _words(event), bringer), after


def _bounded(key: KeyHistory) -> KeyHistory:
    """The same for every decision; without a bound there would be no end of histories."""
    return replace(key, transient_failures=min(key.transient_failures, TRANSIENT_FAILURES_MAX))


def order() -> str:
    """An order's states, `runtime/domain/order.py`."""
    edges = [
        Edge(status.value, step.status.value, *[event.name.lower().replace("_", " ")] * 2)
        for status in OrderStatus
        for event in OrderEvent
        if (step := next_order_step(status, event)) is not None
    ]
    return _drawn([("POST /orders", OrderStatus.PENDING.value)], _ORDER_ENDS, edges)


def _explore(
    starts: Iterable[Row], steps: Callable[[Row], Iterable[tuple[Edge, Row]]]
) -> list[Edge]:
    """Every step that can happen from `starts` on."""
    waiting = list(starts)
    seen = set(waiting)
    found: set[Edge] = set()
    while waiting:
        for edge, after in steps(waiting.pop()):
            found.add(edge)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return sorted(found, key=lambda edge: (edge.source, edge.target, edge.event))


def _drawn(starts: Sequence[tuple[str, str]], ends: Iterable[str], edges: Sequence[Edge]) -> str:
    """The picture, labelled with who brings a step, and the table with what it is."""
    moves = [edge for edge in edges if edge.source != edge.target]
    picture = ["stateDiagram-v2", *(f"    [*] --> {state}: {label}" for label, state in starts)]
    picture += [
        f"    {source} --> {target}: {', '.join(bringers)}"
        for (source, target), bringers in _grouped(moves, "bringer")
    ]
    picture += [f"    {end} --> [*]" for end in sorted(ends)]
    rows = [
        (code(source), code(target), ", ".join(events))
        for (source, target), events in _grouped(moves, "event")
    ]
    return f"{mermaid(picture)}\n\n{table(('from', 'to', 'by'), rows)}"


def _grouped(edges: Sequence[Edge], field: str) -> list[tuple[tuple[str, str], list[str]]]:
    """What leads from one state to another, each once, in the order found."""
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for edge in edges:
        group = groups.setdefault((edge.source, edge.target), {})
        group |= dict.fromkeys(getattr(edge, field).split(", "))
    return [(pair, list(found)) for pair, found in groups.items()]


@cache
def _every(kind: Any) -> tuple[Any, ...]:
    """All values of a type, made once for the thousands of rows that meet each of them."""
    return tuple(_values(kind))


def _values(kind: Any, name: str = "") -> Iterator[Any]:
    """Every content of a type that can make a difference to a decision."""
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        for member in get_args(kind):
            yield from _values(member, name)
    elif isinstance(kind, NewType):
        yield from _values(kind.__supertype__, name)
    elif is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        contents = [list(_values(hints[part.name], part.name)) for part in fields(kind)]
        yield from (kind(*chosen) for chosen in itertools.product(*contents))
    elif name == "status":
        yield from _STATUSES
    elif name == "reason":
        yield from _REASONS
    else:
        yield from _CONTENTS[kind]


def _words(event: object) -> str:
    """An event in words: its name, and the outcome or Stripe's word in it."""
    content = getattr(event, "outcome", None)
    told = type(content).__name__ if content is not None else getattr(event, "status", "")
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(event).__name__).lower()
    return f"{name} ({told.lower()})" if told else name
