"""A link: what one part of a stack says to another; and the port to a proxy that is put into it.

Narrow and optional, as the port of clusters is: a target offers it or does not, and nothing above
asks which platform it is. What a proxy was told is no evidence: what a canary sees through it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bookpayctl.clients.http import HttpAnswer, ask
from bookpayctl.targets.target import Target
from bookpayctl.targets.toxic import Toxic, Toxicity
from bookpayctl.targets.witness import Witness


@dataclass(frozen=True, slots=True)
class Link:
    """Who calls whom.

    Attributes:
        name: of letters, digits and dashes; in the name of its proxy.
        callers: services or servers whose processes call it.
        service: the service or server that is called.
    """

    name: str
    callers: tuple[str, ...]
    service: str


@dataclass(frozen=True, slots=True)
class DiversionState:
    """What the proxy of a link tells of itself.

    Attributes:
        address: of the proxy, as those behind it see their clients.
        toxic: what it does to what comes; None while everything passes.
        accepted: connections that came so far.
        open_connections: those that are open now.
        peers: addresses that have a connection open now.
        struck: connections that a toxic befell so far: old ones and new ones.
        reset: connections that were broken on purpose, so far.
        lost_bytes: what was taken and never passed on.
        to_service_bytes: what went through that way; likewise `to_caller_bytes`.
    """

    address: str
    toxic: Toxicity | None
    accepted: int
    open_connections: int
    peers: tuple[str, ...]
    struck: int
    reset: int
    lost_bytes: int
    to_service_bytes: int
    to_caller_bytes: int


@runtime_checkable
class LinkTarget(Target, Protocol):
    """An environment whose links can each be led through a proxy. Else a TargetError.

    A link is known by its name from `divert_links` until `restore_links`.
    """

    def divert_links(self, wanted: Sequence[Link]) -> None:
        """Lead each through a proxy of its own, which passes everything on for now.

        The callers are restarted, so none has a connection past a proxy. Returns when the proxies
        answer and the callers are ready.
        """
        ...

    def set_toxic_of_link(self, name: str, toxic: Toxic | None) -> DiversionState:
        """What its proxy does from now on, None for nothing; when this returns, it does."""
        ...

    def link_state(self, name: str) -> DiversionState:
        """What its proxy tells."""
        ...

    def restore_links(self) -> None:
        """Lead all past their proxies and end those; callers are restarted. Harmless without."""
        ...

    def place_canary(self, name: str, seconds: float) -> Witness:
        """Somebody who asks through the proxy of a link, as a caller would."""
        ...


def ask_proxy(control_url: str, *, timeout_seconds: float) -> HttpAnswer:
    """Ask a proxy for its state."""
    return ask("GET", f"{control_url}/state", timeout_seconds=timeout_seconds)


def tell_proxy(control_url: str, toxic: Toxic | None, *, timeout_seconds: float) -> HttpAnswer:
    """Tell a proxy what to do; its answer is its state."""
    url = f"{control_url}/toxic"
    if toxic is None:
        return ask("DELETE", url, timeout_seconds=timeout_seconds)
    content = json.dumps(toxic.document()).encode()
    return ask("PUT", url, content=content, timeout_seconds=timeout_seconds)


def state_of(told: Mapping[str, Any], address: str) -> DiversionState:
    """What a proxy's document says."""
    return DiversionState(
        address=address,
        toxic=None if told["toxic"] is None else Toxicity(told["toxic"]),
        accepted=int(told["accepted"]),
        open_connections=int(told["open_connections"]),
        peers=tuple(told["peers"]),
        struck=int(told["struck"]),
        reset=int(told["reset"]),
        lost_bytes=int(told["lost_bytes"]),
        to_service_bytes=int(told["to_service_bytes"]),
        to_caller_bytes=int(told["to_caller_bytes"]),
    )
