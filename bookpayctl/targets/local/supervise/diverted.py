"""supervisor's configuration with links led through proxies, and back. Pure; text in, text out.

The text is its own memory: a proxy's section says which address it stands for, so that whoever
finds it can put the callers' sections back, whoever changed them. Every address of an environment
of this machine is `127.0.0.1:PORT`, whatever kind of setting it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

PROXY_PREFIX: Final = "link-"
"""How the names of proxies begin; no service's or server's does."""

_SECTION: Final = re.compile(r"^\[program:(?P<name>[^\]]+)\]$", re.MULTILINE)
_FORWARD: Final = re.compile(r"--(?:forward|kafka)=(\d+)=127\.0\.0\.1:(\d+)")
_CONTROL: Final = re.compile(r"--control-port=(\d+)")


@dataclass(frozen=True, slots=True)
class Proxied:
    """A link as the configuration has it: its proxy listens on `port` and leads to `to_port`."""

    name: str
    port: int
    to_port: int
    control_port: int

    @property
    def process(self) -> str:
        return proxy_process(self.name)

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"


def proxy_process(link: str) -> str:
    """The name of a link's proxy in supervisor."""
    return f"{PROXY_PREFIX}{link}"


def proxied_links(text: str) -> dict[str, Proxied]:
    """Every link that the configuration leads through a proxy, by name."""
    found = {}
    for name, section in _sections(text):
        forward, control = _FORWARD.search(section), _CONTROL.search(section)
        if name.startswith(PROXY_PREFIX) and forward and control:
            link = name.removeprefix(PROXY_PREFIX)
            ports = (int(forward[1]), int(forward[2]), int(control[1]))
            found[link] = Proxied(link, *ports)
    return found


def led_through(text: str, proxied: Proxied, section: str, callers: Collection[str]) -> str:
    """The configuration with a proxy's section, and with the callers' addresses of what it hides.

    Raises:
        LookupError: a caller does not call it by its address.
    """
    parts = [_head(text)]
    for name, found in _sections(text):
        changed = found
        if name in callers:
            changed = _moved(found, proxied.to_port, proxied.port)
            if changed == found:
                raise LookupError(f"{name} does not call 127.0.0.1:{proxied.to_port}")
        parts.append(changed)
    return "".join([*parts, section])


def led_past(text: str, link: str) -> str:
    """The configuration without a link's proxy; the same text where it has none."""
    proxied = proxied_links(text).get(link)
    if proxied is None:
        return text
    kept = [found for name, found in _sections(text) if name != proxied.process]
    moved = "".join(_moved(one, proxied.port, proxied.to_port) for one in kept)
    # The blank line before the proxy's section was the end of the one before.
    return (_head(text) + moved).rstrip("\n") + "\n"


def _moved(section: str, port: int, to_port: int) -> str:
    return re.sub(rf"127\.0\.0\.1:{port}(?!\d)", f"127.0.0.1:{to_port}", section)


def _head(text: str) -> str:
    first = _SECTION.search(text)
    return text if first is None else text[: first.start()]


def _sections(text: str) -> list[tuple[str, str]]:
    """Every program's name and section, from its first line to the next one's."""
    starts = list(_SECTION.finditer(text))
    ends = [*(found.start() for found in starts[1:]), len(text)]
    return [
        (found["name"], text[found.start() : end]) for found, end in zip(starts, ends, strict=True)
    ]
