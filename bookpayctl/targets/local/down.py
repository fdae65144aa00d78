"""Stopping an environment: everything it started, in order, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import credentials
from bookpayctl.targets.kafka_files import proof_in
from bookpayctl.targets.local import placement
from bookpayctl.targets.local.machine import leftovers, ports
from bookpayctl.targets.local.machine.state import (
    STATE_FILE,
    LocalState,
    load_state,
    socket_path,
)
from bookpayctl.targets.local.ownership import servers
from bookpayctl.targets.local.ownership.claim import OwnershipUnknownError, claimant
from bookpayctl.targets.local.supervise.programs import Tier, tier_of_process
from bookpayctl.targets.local.supervise.supervisor import Supervisor, SupervisorError
from bookpayctl.targets.servers.jars import cache_dir

_POLL_SECONDS: Final = 0.05

# States of supervisor in which a process has ended and will not be started again by itself.
_ENDED: Final = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})

_ORPHAN_ROUNDS_MAX: Final = 3

_DAEMON_SECONDS_MAX: Final = 10.0


def stop(root: Path, *, timeout_seconds: float, tell: Callable[[str], None]) -> list[str]:
    """Stop whatever runs of the environment in `root`; data stays. Harmless when nothing runs.

    Call it with the environment's lock held.

    Returns:
        Names of the supervised processes that ran, and `pid N` of each orphan.

    Raises:
        LeftoversError: a process does not end even when killed.
    """
    socket = socket_path(root)
    supervisor = Supervisor(socket)
    stopped: list[str] = []
    # The daemon is asked even when the folder is gone: its socket lies elsewhere.
    daemon = supervisor.pid()
    if daemon is not None:
        stopped = _stop_tiers(supervisor, time.monotonic() + timeout_seconds, tell)
        supervisor.shutdown()
        _wait_gone(daemon)
    state = load_state(root)
    if state is not None:
        stopped += _end_orphans(state, tell)
    socket.unlink(missing_ok=True)
    (root / "supervisord.pid").unlink(missing_ok=True)
    return stopped


def purge(root: Path, name: str) -> None:
    """Remove the environment's folders, data and all, and give its ports back.

    What it made on servers that are not its own goes first: only its folder knows of that. Call it
    after `stop`, with the lock held.

    Raises:
        OwnershipUnknownError: such a server does not answer; nothing is removed here.
    """
    folder = socket_path(root).parent
    state = load_state(root)
    if state is not None and state.shared:
        _give_back(root, name, state)
    placement.remove(root, state)
    ports.release(cache_dir(), root)
    folder.rmdir()


def _give_back(root: Path, name: str, state: LocalState) -> None:
    key_file = root / "secrets" / credentials.STRIPE_KEY
    key = key_file.read_text().strip() if key_file.exists() else ""
    try:
        servers.release(
            state.shared,
            claimant(state.id, name, root),
            key,
            proof_in(root / "secrets").security,
        )
    except OwnershipUnknownError as error:
        error.fix = (
            "start that server and repeat; if it is gone for good, remove its line from `shared`"
            f" in {root / STATE_FILE}"
        )
        raise


def _end_orphans(state: LocalState, tell: Callable[[str], None]) -> list[str]:
    """End what still runs without the daemon; `pid N` of each.

    Looked for until there are none: a daemon that lost its socket may be among them, and start
    one of its processes again just before it ends itself.
    """
    data_dir = state.postgres_home / "data"
    ended: list[str] = []
    for _attempt in range(_ORPHAN_ROUNDS_MAX):
        orphans = leftovers.find(state.id, data_dir)
        if not orphans:
            break
        tell(f"ending {len(orphans)} processes nobody looked after")
        leftovers.end(orphans)
        ended += [f"pid {process.pid}" for process in orphans]
    leftovers.remove_stale_pid_file(data_dir)
    return ended


def _stop_tiers(supervisor: Supervisor, deadline: float, tell: Callable[[str], None]) -> list[str]:
    """Stop services, then what they talk to, the broker, the database; each tier at once.

    A tier that outlasts the deadline is left to the daemon's own shutdown and the orphan hunt,
    which kill.
    """
    running = [info.name for info in supervisor.processes() if info.state not in _ENDED]
    for tier in sorted(Tier, reverse=True):
        names = [name for name in running if tier_of_process(name) is tier]
        if names:
            tell(f"stopping {', '.join(names)}")
            stop_processes(supervisor, names, deadline)
    return running


def stop_processes(supervisor: Supervisor, names: Sequence[str], deadline: float) -> None:
    """Stop the named processes at once and wait for all of them, or for the deadline."""
    for name in names:
        supervisor.stop(name)

    def running() -> list[str]:
        try:
            states = {info.name: info.state for info in supervisor.processes()}
        except SupervisorError:
            # The daemon is gone; whoever outlived it is an orphan and treated as one.
            return []
        return [name for name in names if states.get(name, "STOPPED") not in _ENDED]

    wait_until(
        running,
        lambda names: not names,
        deadline_seconds=deadline - time.monotonic(),
        every_seconds=_POLL_SECONDS,
    )


def _wait_gone(pid: int) -> None:
    """Wait for the daemon; whoever is left afterwards is an orphan and treated as one."""
    try:
        psutil.Process(pid).wait(_DAEMON_SECONDS_MAX)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
