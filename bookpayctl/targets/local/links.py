"""Leading a link of an environment on this machine through a proxy, and back.

supervisor starts the callers anew with the proxy's address in the place of the one behind it. What
has to be put back stands in the configuration that it reads, and in the same file from the first
moment on: so nothing is forgotten when the tool is killed, and an `up`, which writes that file
anew, leads everything back as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bookpayctl.clients.http import HttpAnswer
from bookpayctl.runs.files import SECRET, write_atomically
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.children import python_module
from bookpayctl.targets.environment import ProcessSpec
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.link import DiversionState, Link, ask_proxy, state_of, tell_proxy
from bookpayctl.targets.local.down import stop_processes
from bookpayctl.targets.local.supervise import diverted
from bookpayctl.targets.local.supervise.configuration import CONFIG_FILE, program_section
from bookpayctl.targets.local.supervise.diverted import Proxied
from bookpayctl.targets.local.supervise.programs import KAFKA, Program, Tier
from bookpayctl.targets.local.supervise.supervisor import Supervisor
from bookpayctl.targets.servers.free_ports import free_ports
from bookpayctl.targets.toxic import Toxic

ASK_SECONDS_MAX: Final = 10.0
READY_SECONDS_MAX: Final = 60.0
_LOOK_SECONDS: Final = 0.05
_HOST: Final = "127.0.0.1"


class LinkError(TargetError):
    """A link could not be led through a proxy, or not back; the message says how far it is."""

    reason = "diversion_failed"


def divert(
    root: Path,
    supervisor: Supervisor,
    wanted: Sequence[Link],
    specs: Sequence[ProcessSpec],
    is_ready: Callable[[str], bool],
) -> None:
    """Put a proxy into each link and start the callers anew, so that they go through it.

    Args:
        specs: the environment's processes.
        is_ready: whether a process does its work, asked again and again.

    Raises:
        LinkError: one is diverted already, nobody is called there, or somebody does not come back.
    """
    text = (root / CONFIG_FILE).read_text()
    if there := diverted.proxied_links(text):
        raise LinkError(f"{', '.join(there)} led through proxies already; bookpayctl recover")
    made = []
    # All at once, or two might be given the same.
    free = iter(free_ports(2 * len(wanted)))
    for link in wanted:
        proxied = _place_of(link, specs, next(free), next(free))
        section = program_section(root, _proxy(root, proxied, is_kafka=link.service == KAFKA))
        callers = [spec.name for spec in specs if spec.service in link.callers]
        try:
            text = diverted.led_through(text, proxied, section, callers)
        except LookupError as error:
            raise LinkError(f"link {link.name}: {error}") from error
        made.append(proxied)
    _write(root, text)
    stopped = _apply(supervisor)
    proxies = {proxied.process: proxied for proxied in made}
    _start(supervisor, list(proxies), lambda name: _answers(proxies[name]))
    _start(supervisor, [name for name in stopped if name not in proxies], is_ready)


def restore(root: Path, supervisor: Supervisor, is_ready: Callable[[str], bool]) -> None:
    """Lead every link past its proxy again, and end that. Harmless where there is none.

    Raises:
        LinkError: a caller does not come back, or a proxy still runs.
    """
    text = (root / CONFIG_FILE).read_text()
    for name in diverted.proxied_links(text):
        text = diverted.led_past(text, name)
    _write(root, text)
    if supervisor.pid() is None:
        # Nothing runs: the next `up` starts from a configuration without them.
        return
    _start(supervisor, _apply(supervisor), is_ready)
    names = [found.name for found in supervisor.processes()]
    left = [name for name in names if name.startswith(diverted.PROXY_PREFIX)]
    if left:
        raise LinkError(f"still there: {', '.join(left)}")


def told(root: Path, name: str, toxic: Toxic | None) -> DiversionState:
    """Change what the proxy of a link does.

    Raises:
        LinkError: there is none, it does not answer, or it cannot do it.
    """
    proxied = proxy_of(root, name)
    return _state(tell_proxy(proxied.control_url, toxic, timeout_seconds=ASK_SECONDS_MAX), proxied)


def state(root: Path, name: str) -> DiversionState:
    """What the proxy of a link tells.

    Raises:
        LinkError: there is none, or it does not answer.
    """
    proxied = proxy_of(root, name)
    return _state(ask_proxy(proxied.control_url, timeout_seconds=ASK_SECONDS_MAX), proxied)


def proxy_of(root: Path, name: str) -> Proxied:
    """The proxy of a link.

    Raises:
        LinkError: it is led through none.
    """
    proxied = diverted.proxied_links((root / CONFIG_FILE).read_text()).get(name)
    if proxied is None:
        raise LinkError(f"link {name} is led through no proxy")
    return proxied


def _place_of(link: Link, specs: Sequence[ProcessSpec], port: int, control_port: int) -> Proxied:
    to_port = {spec.service: spec.port for spec in specs}.get(link.service)
    if to_port is None:
        raise LinkError(f"{link.service} is no part of this environment that could be called")
    return Proxied(link.name, port, to_port, control_port)


def _answers(proxied: Proxied) -> bool:
    return ask_proxy(proxied.control_url, timeout_seconds=ASK_SECONDS_MAX).ok


def _proxy(root: Path, proxied: Proxied, *, is_kafka: bool) -> Program:
    forward = f"--{'kafka' if is_kafka else 'forward'}={proxied.port}={_HOST}:{proxied.to_port}"
    return Program(
        spec=ProcessSpec(proxied.process, proxied.process, proxied.port),
        command=(
            *python_module("bookpayctl.targets.container", "proxy", forward),
            *(f"--host={_HOST}", f"--control-port={proxied.control_port}"),
        ),
        directory=root,
        tier=Tier.OUTSIDE,
    )


def _write(root: Path, text: str) -> None:
    write_atomically(root / CONFIG_FILE, text, mode=SECRET)


def _apply(supervisor: Supervisor) -> list[str]:
    """Give the daemon its configuration; what changed has stopped. Those that are to be started."""
    added, changed, removed = supervisor.reread()
    deadline = time.monotonic() + READY_SECONDS_MAX
    # Callers first: what they still have under way goes through the proxy.
    for names in (changed, removed):
        stop_processes(supervisor, names, deadline)
    for name in (*changed, *removed):
        supervisor.remove(name)
    for name in (*changed, *added):
        supervisor.add(name)
    # One that an earlier try stopped and did not start again is to be started, too.
    return [found.name for found in supervisor.processes() if found.pid is None]


def _start(supervisor: Supervisor, names: Sequence[str], is_ready: Callable[[str], bool]) -> None:
    for name in names:
        supervisor.start(name)
    ready = wait_until(
        lambda: [name for name in names if not is_ready(name)],
        lambda left: not left,
        deadline_seconds=READY_SECONDS_MAX,
        every_seconds=_LOOK_SECONDS,
    )
    if not ready.reached:
        raise LinkError(f"not ready after their restart: {', '.join(ready.value)}")


def _state(answer: HttpAnswer, proxied: Proxied) -> DiversionState:
    if not answer.ok:
        raise LinkError(f"{proxied.process} does not answer: {answer.text[:200]}")
    return state_of(answer.object(), _HOST)
