"""A toxic: what a proxy does to the bytes between two parts, as data and as a document.

Every toxic has an end of its own, so that one that nobody takes away is no outage: the proxy lets
everything pass again when the time is over, whether or not whoever asked for it still lives. Pure.

Source:
    Toxiproxy's toxics (latency, bandwidth, slicer, reset_peer, timeout, limit_data), of which none
    ends by itself; a peer that was lost without a word, RFC 9293, 3.5.1 Half-Open Connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

SECONDS_MAX: Final = 900.0
"""No toxic lasts longer: a drill that needs more is another drill."""


class Toxicity(StrEnum):
    """What can be done to a connection.

    Attributes:
        LATENCY: every byte comes so much later; nothing gets slower than that.
        BANDWIDTH: so many bytes come in a second, and no more are taken.
        SLICER: bytes come in small pieces with a pause between two.
        HOLD: nothing passes for now; what was sent comes late, as packets that are sent again.
        BLACK_HOLE: nothing passes, and what is sent meanwhile is lost. A stream with a hole cannot
            go on: a connection that lost something is reset at the end.
        HALF_OPEN: the far ends of the connections that are open are gone; the near ones learn
            nothing of it. New connections are as always.
        RESET: connections are reset, at once or when so many bytes have passed.
    """

    LATENCY = "latency"
    BANDWIDTH = "bandwidth"
    SLICER = "slicer"
    HOLD = "hold"
    BLACK_HOLE = "black-hole"
    HALF_OPEN = "half-open"
    RESET = "reset"


class Direction(StrEnum):
    """Which bytes it befalls."""

    BOTH = "both"
    TO_SERVICE = "to-service"
    TO_CALLER = "to-caller"


@dataclass(frozen=True, slots=True)
class Toxic:
    """One fault of a link. What its kind does not use, stays 0.

    Attributes:
        seconds: how long it lasts at most.
        share: of the connections that it befalls; which ones, `seed` decides.
        delay_ms: of LATENCY; of SLICER the pause between two pieces.
        jitter_ms: of LATENCY, added or taken away at random.
        bytes_per_second: of BANDWIDTH, in each direction that it befalls.
        slice_bytes: of SLICER, the size of a piece.
        after_bytes: of RESET, how many bytes still pass; 0 for at once.
    """

    kind: Toxicity
    seconds: float
    direction: Direction = Direction.BOTH
    share: float = 1.0
    seed: int = 0
    delay_ms: int = 0
    jitter_ms: int = 0
    bytes_per_second: int = 0
    slice_bytes: int = 0
    after_bytes: int = 0

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def lasting(self, seconds: float) -> Toxic:
        return replace(self, seconds=seconds)


def parse_toxic(told: Mapping[str, Any]) -> Toxic:
    """Read a toxic from its document.

    Raises:
        ValueError: it is none, or would do nothing, or too much.
    """
    try:
        toxic = Toxic(**{**told, "kind": Toxicity(told["kind"]), "direction": _direction(told)})
        problem = _problem(toxic)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no toxic: {error}") from error
    if problem:
        raise ValueError(problem)
    return toxic


def _direction(told: Mapping[str, Any]) -> Direction:
    return Direction(told.get("direction", Direction.BOTH.value))


def _problem(toxic: Toxic) -> str:
    """Why it is not to be had; empty where it is."""
    if not 0 < toxic.seconds <= SECONDS_MAX:
        return f"a toxic lasts up to {SECONDS_MAX:.0f} s, not {toxic.seconds} s"
    if not 0 < toxic.share <= 1:
        return f"a share is above 0 and at most 1, not {toxic.share}"
    needed = {
        Toxicity.LATENCY: toxic.delay_ms,
        Toxicity.BANDWIDTH: toxic.bytes_per_second,
        Toxicity.SLICER: toxic.slice_bytes,
    }.get(toxic.kind, 1)
    numbers = (toxic.delay_ms, toxic.jitter_ms, toxic.bytes_per_second, toxic.slice_bytes)
    if needed <= 0 or min(*numbers, toxic.after_bytes) < 0:
        return f"{toxic.kind.value} without its measure: {toxic.document()}"
    return ""
