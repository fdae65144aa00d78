"""Ports that are free now, below the range from which the kernel takes ports for connections.

Nothing is reserved here: a local environment keeps its ports in a registry of its own.
"""

from __future__ import annotations

import itertools
import random
import socket
from typing import Final

LOWEST: Final = 20_000
HIGHEST: Final = 31_999


def free_ports(count: int) -> list[int]:
    """Ports that are free now, not reserved: for servers that live for minutes, not for days."""
    size = HIGHEST - LOWEST + 1
    start = random.randrange(size)
    candidates = (LOWEST + (start + step) % size for step in range(size))
    return list(itertools.islice(filter(is_free, candidates), count))


def is_free(port: int) -> bool:
    """Whether a server could bind 127.0.0.1:port now; a listener on all addresses is in the way."""
    with socket.socket() as candidate:
        # What every server does: a connection in TIME_WAIT is no reason to move.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
