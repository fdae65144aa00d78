"""A mail server that keeps every message in a Maildir and delivers none.

A message is on disk before it is acknowledged, so `ls` of the folder `new` counts what was sent.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiosmtpd.controller import Controller

from bookpayctl.targets.servers.maildir import AsItCame

EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a pod's own; who may come in is the network's to say

# A loaded machine gets this long to open a port.
_START_SECONDS_MAX: Final = 30.0

_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


def run(data: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve until TERM or INT.

    Raises:
        OSError: the port is taken, or the folder cannot be written.
    """
    # Made here one by one: the library makes all three or, where the folder is there, none.
    for name in ("tmp", "new", "cur"):
        (data / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    # Blocked before the server's thread begins, which inherits it: they are for the line below.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    controller = Controller(
        AsItCame(data),
        hostname=EVERY_ADDRESS,
        port=port,
        # Else each session asks the resolver for this machine's name.
        server_hostname="mail-sink",
        ready_timeout=_START_SECONDS_MAX,
    )
    controller.start()
    say(f"mail for anybody is kept in {data}; listening on {port}")
    signal.sigwait(_STOPS)
    controller.stop()
