"""A parent as small as can be: it passes signals on, in the server's own words, and reaps.

For a server that takes TERM for something else than "stop now", and must not outlive who started
it. It may be process 1 of a container or any other.

Source:
    PostgreSQL manual, 18.5 Shutting Down the Server; prctl(2), PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bookpayctl.targets.servers.owner import Owner

Signals = signal.Signals

# A fast shutdown has this long; then an immediate one, which loses nothing and replays the log at
# the next start. Both together end within the thirty seconds that a platform grants by default.
STOP_SECONDS: Final = 25.0

FORWARDED: Final[Mapping[Signals, Signals]] = {
    # TERM would wait for every client to leave by itself; INT ends their sessions.
    Signals.SIGTERM: Signals.SIGINT,
    Signals.SIGINT: Signals.SIGINT,
    Signals.SIGQUIT: Signals.SIGQUIT,
    # Read the settings again.
    Signals.SIGHUP: Signals.SIGHUP,
}
_STOPS: Final = (Signals.SIGTERM, Signals.SIGINT)
_AWAITED: Final = frozenset({*FORWARDED, Signals.SIGCHLD})

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def run(
    command: Sequence[str],
    *,
    directory: Path,
    variables: Mapping[str, str],
    owner: Owner | None,
    kept_open: Sequence[int],
    stop_seconds: float = STOP_SECONDS,
) -> int:
    """Run the server until it ends; returns its exit status, 128 + n when signal n ended it.

    Args:
        owner: whom it runs as; None for the caller's.
        kept_open: file descriptors that it inherits, such as a lock.
        stop_seconds: from the first request to stop until it is shut down at once.
    """
    # Blocked and waited for: none can come between two lines, and one that was sent to process 1,
    # for which the kernel drops what has no handler, arrives all the same.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    # extra_groups: without it the child would keep root's supplementary groups.
    switch = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
    try:
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            pass_fds=tuple(kept_open),
            preexec_fn=partial(_begin, os.getpid()),
            **switch,  # type: ignore[call-overload]
        )
        child.returncode = _watch(child.pid, stop_seconds)
        return exit_status(child.returncode)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_status(code: int) -> int:
    """What a shell would say of a child that ended with `code`, negative for a signal."""
    return code if code >= 0 else 128 - code


def _begin(parent: int) -> None:
    """In the child, between fork and exec: die with the parent, and heed signals again."""
    # QUIT, not KILL: the server takes its own children along.
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(Signals.SIGQUIT))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    if os.getppid() != parent:
        # It died before the line above; nobody will tell us any more.
        os._exit(1)


def _watch(child: int, stop_seconds: float) -> int:
    """Pass on what comes until the child has ended; returns its code, negative for a signal."""
    stop_at: float | None = None
    while True:
        if stop_at is None:
            got = Signals(signal.sigwaitinfo(_AWAITED).si_signo)
        else:
            info = signal.sigtimedwait(_AWAITED, max(0.0, stop_at - time.monotonic()))
            if info is None:
                os.kill(child, Signals.SIGQUIT)
                stop_at = None
                continue
            got = Signals(info.si_signo)
        if got is Signals.SIGCHLD:
            code = _reap(child)
            if code is not None:
                return code
            continue
        os.kill(child, FORWARDED[got])
        if got in _STOPS and stop_at is None:
            stop_at = time.monotonic() + stop_seconds


def _reap(child: int) -> int | None:
    """Collect every child that has ended, orphans that process 1 inherited too.

    Returns:
        The code of `child` if it was among them.
    """
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
