"""The connections of a proxy, and what becomes of their bytes: they pass, are held, or it is reset.

Whoever changes it is answered when it holds: from then on no byte goes through that came under
another rule. A held connection is not closed and not read, as one whose packets are lost; what was
sent meanwhile arrives late, when it may pass again.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, cast

from bookpayctl.targets.cluster_target import Passage

# How soon a connection notices that the rule has changed.
LOOK_SECONDS: Final = 0.1
CHANGE_SECONDS_MAX: Final = 5.0

CONNECT_SECONDS_MAX: Final = 10.0
_SEND_SECONDS_MAX: Final = 30.0
_CHUNK_BYTES: Final = 65_536

# Linger for no time: the end of the connection is a reset.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Counts:
    accepted: int = 0
    held: int = 0
    reset: int = 0
    passed_bytes: int = 0


class Gate:
    """The rule that holds for all connections, and what they have counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passage = Passage.PASS
        self._moving = 0
        self._counts = _Counts()
        self._peers: dict[int, str] = {}

    @property
    def passage(self) -> Passage:
        with self._changed:
            return self._passage

    def change(self, passage: Passage) -> None:
        """Set the rule; returns when nothing moves under another one.

        Raises:
            TimeoutError: a chunk that was on its way found no room to go.
        """
        with self._changed:
            self._passage = passage
            self._changed.notify_all()
            if passage is not Passage.PASS and not self._changed.wait_for(
                lambda: self._moving == 0, timeout=CHANGE_SECONDS_MAX
            ):
                raise TimeoutError(f"something still moves after {CHANGE_SECONDS_MAX:.0f} s")

    def state(self) -> dict[str, object]:
        """What is told of it, as a document."""
        with self._changed:
            return {
                "passage": self._passage.value,
                **asdict(self._counts),
                "open_connections": len(self._peers),
                "peers": sorted(set(self._peers.values())),
            }

    def carry(self, client: socket.socket, peer: str, dial: Callable[[], socket.socket]) -> None:
        """Serve one connection to its end, as the rule says from moment to moment."""
        with self._changed:
            self._counts.accepted += 1
            self._peers[id(client)] = peer
        try:
            with client:
                self._carry(client, dial)
        finally:
            with self._changed:
                del self._peers[id(client)]

    def _carry(self, client: socket.socket, dial: Callable[[], socket.socket]) -> None:
        if not self._may_pass(was_held=False)[0]:
            self._reset(client)
            return
        try:
            backend = dial()
        except OSError:
            # As the real one would be: nobody is there.
            _break(client)
            return
        with backend:
            for end in (client, backend):
                end.settimeout(_SEND_SECONDS_MAX)
            with selectors.DefaultSelector() as waiting:
                waiting.register(client, selectors.EVENT_READ, backend)
                waiting.register(backend, selectors.EVENT_READ, client)
                if not self._pump(waiting):
                    self._reset(client, backend)

    def _pump(self, waiting: selectors.BaseSelector) -> bool:
        """Carry until both sides have ended; whether they have, rather than being reset."""
        was_held = False
        while waiting.get_map():
            passes, was_held = self._may_pass(was_held=was_held)
            if not passes:
                return False
            readable = waiting.select(LOOK_SECONDS)
            if readable and self._begin_to_move():
                try:
                    for key, _ in readable:
                        self._move(waiting, key)
                except OSError:
                    # One side is broken: the other one learns it by its end.
                    return True
                finally:
                    self._end_to_move()
        return True

    def _move(self, waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        """Carry what one side has said; the end of it, too."""
        end, other = cast("socket.socket", key.fileobj), cast("socket.socket", key.data)
        data = end.recv(_CHUNK_BYTES)
        if data:
            other.sendall(data)
            with self._changed:
                self._counts.passed_bytes += len(data)
            return
        waiting.unregister(end)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def _may_pass(self, *, was_held: bool) -> tuple[bool, bool]:
        """Wait while it is held; then whether it may pass, and whether it has been held before."""
        with self._changed:
            while self._passage is Passage.HOLD:
                if not was_held:
                    self._counts.held += 1
                    was_held = True
                self._changed.wait()
            return self._passage is Passage.PASS, was_held

    def _begin_to_move(self) -> bool:
        with self._changed:
            if self._passage is not Passage.PASS:
                return False
            self._moving += 1
            return True

    def _end_to_move(self) -> None:
        with self._changed:
            self._moving -= 1
            self._changed.notify_all()

    def _reset(self, *ends: socket.socket) -> None:
        for end in ends:
            _break(end)
        with self._changed:
            self._counts.reset += 1


def _break(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.close()


def serve(gate: Gate, listener: socket.socket, dial: Callable[[], socket.socket]) -> None:
    """Take connections until the listener is closed, each served by a thread of its own."""
    while True:
        try:
            client, address = listener.accept()
        except OSError:
            if listener.fileno() < 0:
                return
            # Out of descriptors for a moment, or the client has left already.
            time.sleep(LOOK_SECONDS)
            continue
        threading.Thread(
            target=gate.carry, args=(client, str(address[0]), dial), daemon=True
        ).start()
