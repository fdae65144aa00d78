"""Facts of an environment that nobody may have said, as text and as JSON: never as a good one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from bookpayctl.targets.status import Status, UnknownFact, Waiting

T = TypeVar("T")


def listed(facts: tuple[T, ...] | UnknownFact, shown: Callable[[T], str], *, none: str) -> str:
    """Facts in one line; the reason where they are not known."""
    from bookpayctl.targets.status import UnknownFact

    if isinstance(facts, UnknownFact):
        return f"unknown: {facts.reason}"
    return ", ".join(map(shown, facts)) or none


def what_waits(status: Status) -> tuple[Waiting, ...] | UnknownFact:
    """What there is of all that could wait."""
    from bookpayctl.targets.status import UnknownFact

    waiting = status.waiting
    if isinstance(waiting, UnknownFact):
        return waiting
    return tuple(entry for entry in waiting if entry.count)


def shown_capture(status: Status) -> str:
    """The capture that publishes in place of publishers, in one line."""
    from bookpayctl.targets.status import UnknownFact

    capture = status.capture
    if isinstance(capture, UnknownFact):
        return f"unknown: {capture.reason}"
    if capture is None:
        return "its slot is not there"
    read = "read" if capture.active else "read by nobody"
    lost = ", LOST: what it needed is gone" if capture.wal_status == "lost" else ""
    return f"slot {capture.slot} {read}, {capture.behind_bytes} bytes of log to confirm{lost}"


def json_value(fact: Any) -> Any:
    """JSON: an unknown fact is an object with `unknown` and its reason, never null or a number."""
    from bookpayctl.targets.status import UnknownFact

    if isinstance(fact, UnknownFact):
        return {"unknown": fact.reason}
    if isinstance(fact, tuple):
        return [json_value(entry) for entry in fact]
    if hasattr(fact, "__dataclass_fields__"):
        return {name: json_value(getattr(fact, name)) for name in fact.__dataclass_fields__}
    return fact
