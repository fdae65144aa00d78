"""Ports that stay: free when chosen, kept by one environment, never handed out twice.

The registry is one file per user. An entry lives as long as its environment's folder, so two
environments that are down do not share a port either, and deleting a folder by hand frees its
ports. Ports lie below the range from which the kernel takes ports for outgoing connections.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.servers.free_ports import HIGHEST, LOWEST, is_free

_REGISTRY_FILE: Final = "ports.json"


class PortTakenError(TargetError):
    """A port that was asked for by number is somebody else's."""

    code = ExitCode.USAGE
    reason = "port_taken"


@dataclass(frozen=True, slots=True)
class Ports:
    """The outcome of one reservation.

    Attributes:
        by_name: the port of each process name.
        replaced: names whose recorded port was taken by a stranger, with that old port.
    """

    by_name: dict[str, int]
    replaced: dict[str, int]


def reserve(
    registry_dir: Path,
    root: Path,
    names: Sequence[str],
    *,
    recorded: Mapping[str, int],
    pinned: Mapping[str, int],
    busy_is_ours: frozenset[int] = frozenset(),
) -> Ports:
    """Choose one port per name and write them down before anyone else can choose.

    Args:
        registry_dir: folder of the user's registry; made when missing.
        root: the environment's folder; it must exist, entries of missing folders are dropped.
        names: the process names that need a port, in a stable order.
        recorded: the ports of the last time, kept where they are still free.
        pinned: ports asked for by number.
        busy_is_ours: ports on which our own running processes listen; they count as free.

    Raises:
        PortTakenError: a pinned port is in use, or belongs to another environment.
    """
    registry_dir.mkdir(parents=True, exist_ok=True)
    with _registry(registry_dir / _REGISTRY_FILE) as entries:
        others = {int(port): owner for port, owner in entries.items() if owner != str(root)}
        chosen: dict[str, int] = {}
        replaced: dict[str, int] = {}
        for name, port in pinned.items():
            _check_pinned(name, port, others, busy_is_ours)
            chosen[name] = port
        candidates = _candidates(root)
        for name in names:
            if name in chosen:
                continue
            old = recorded.get(name)
            taken = {*others, *chosen.values()}
            if old is not None and old not in taken and (old in busy_is_ours or is_free(old)):
                chosen[name] = old
                continue
            if old is not None:
                replaced[name] = old
            chosen[name] = next(port for port in candidates if port not in taken and is_free(port))
        for mine in [port for port, owner in entries.items() if owner == str(root)]:
            del entries[mine]
        entries.update({str(port): str(root) for port in chosen.values()})
    return Ports(chosen, replaced)


def release(registry_dir: Path, root: Path) -> None:
    """Give the ports of an environment back; harmless when it has none.

    In a registry that cannot be written they are free once the environment's folder is gone.
    """
    if not os.access(registry_dir, os.W_OK | os.X_OK):
        return
    with _registry(registry_dir / _REGISTRY_FILE) as entries:
        for port in [port for port, owner in entries.items() if owner == str(root)]:
            del entries[port]


def holder(port: int) -> str:
    """Who listens on `port`, as far as we are allowed to see: `pid 12 (nginx)`, or `unknown`."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "unknown"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.pid is not None
        if listens and connection.laddr and connection.laddr.port == port:
            try:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return "a process that has just ended"
    return "unknown"


def _check_pinned(
    name: str, port: int, others: Mapping[int, str], busy_is_ours: frozenset[int]
) -> None:
    if port in others:
        raise PortTakenError(
            f"port {port} for {name} is reserved by the environment in {others[port]};"
            " choose another, or purge that environment"
        )
    if port not in busy_is_ours and not is_free(port):
        raise PortTakenError(f"port {port} for {name} is taken by {holder(port)}; choose another")


def _candidates(root: Path) -> Iterator[int]:
    """Every port of the range, starting where few others start."""
    size = HIGHEST - LOWEST + 1
    start = zlib.crc32(str(root).encode()) % size
    return (LOWEST + (start + step) % size for step in range(size))


@contextmanager
def _registry(path: Path) -> Iterator[dict[str, str]]:
    """The registry, alone with it; what the block leaves in the dictionary is written back."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        try:
            entries: dict[str, str] = json.loads(file.read() or "{}")
        except json.JSONDecodeError:
            # Cut short by a full disk or a power cut. Every port is tested by binding anyway.
            entries = {}
        entries = {port: owner for port, owner in entries.items() if Path(owner).is_dir()}
        yield entries
        file.seek(0)
        file.truncate()
        json.dump(entries, file)
