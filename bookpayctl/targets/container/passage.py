"""The connections of a proxy, and what becomes of their bytes: they pass, or as a toxic has it.

Whoever changes it is answered when it holds: from then on no byte goes through that came under
another rule. A toxic ends by itself when its time is over; whoever told of it need not live.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.kafka_wire import NotKafkaError
from bookpayctl.targets.container.lane import Lane, is_struck
from bookpayctl.targets.filter import Filter, Unchanged
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity

# How soon a connection notices that the rule has changed.
LOOK_SECONDS: Final = 0.1
CHANGE_SECONDS_MAX: Final = 5.0

CONNECT_SECONDS_MAX: Final = 10.0
_SEND_SECONDS_MAX: Final = 30.0

# Linger for no time: the end of the connection is a reset.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class GateRule:
    """What holds now; its number tells it from the one before."""

    number: int
    toxic: Toxic | None


@dataclass(slots=True)
class _Counts:
    accepted: int = 0
    struck: int = 0
    reset: int = 0
    lost_bytes: int = 0
    to_service_bytes: int = 0
    to_caller_bytes: int = 0


class Gate:
    """The rule that holds for all connections, and what they have counted."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        # Of its own: connections that wait for another rule do not wake each other.
        self._settled = threading.Condition(lock)
        self._rule = GateRule(0, None)
        self._until = 0.0
        self._moving = 0
        self.counts = _Counts()
        self._peers: dict[int, str] = {}

    def change(self, toxic: Toxic | None) -> None:
        """Set the rule, None for that everything passes; returns when nothing moves under another.

        Raises:
            TimeoutError: a chunk that was on its way found no room to go.
        """
        with self._changed:
            self._set(toxic)
            if toxic is not None and not self._settled.wait_for(
                lambda: self._moving == 0, timeout=CHANGE_SECONDS_MAX
            ):
                raise TimeoutError(f"something still moves after {CHANGE_SECONDS_MAX:.0f} s")

    def rule(self) -> GateRule:
        """What holds now. A toxic whose time is over holds no more."""
        with self._changed:
            if self._rule.toxic is not None and time.monotonic() >= self._until:
                self._set(None)
            return self._rule

    def state(self) -> dict[str, object]:
        """What is told of it, as a document."""
        toxic = self.rule().toxic
        with self._changed:
            counts = self.counts
            return {
                "toxic": None if toxic is None else toxic.kind.value,
                "ends_in_seconds": 0.0 if toxic is None else self._until - time.monotonic(),
                "accepted": counts.accepted,
                "struck": counts.struck,
                "reset": counts.reset,
                "lost_bytes": counts.lost_bytes,
                "to_service_bytes": counts.to_service_bytes,
                "to_caller_bytes": counts.to_caller_bytes,
                "open_connections": len(self._peers),
                "peers": sorted(set(self._peers.values())),
            }

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the rule changes."""
        with self._changed:
            self._changed.wait(timeout=seconds)

    @contextmanager
    def moving(self, rule: GateRule) -> Iterator[bool]:
        """Whether something may still move under the rule; no other one holds within the block."""
        with self._changed:
            holds = self._rule is rule
            self._moving += holds
        try:
            yield holds
        finally:
            with self._changed:
                self._moving -= holds
                if self._moving == 0:
                    self._settled.notify_all()

    @contextmanager
    def counting(self) -> Iterator[_Counts]:
        with self._changed:
            yield self.counts

    def carry(
        self,
        client: socket.socket,
        peer: str,
        dial: Callable[[], socket.socket],
        passing: Filter,
    ) -> None:
        """Serve one connection to its end, as the rule says from moment to moment."""
        with self.counting() as counts:
            counts.accepted += 1
            number = counts.accepted
            self._peers[id(client)] = peer
        try:
            with client:
                _Connection(self, number, client, passing).carry(dial)
        finally:
            with self._changed:
                del self._peers[id(client)]

    def _set(self, toxic: Toxic | None) -> None:
        self._rule = GateRule(self._rule.number + 1, toxic)
        self._until = 0.0 if toxic is None else time.monotonic() + toxic.seconds
        self._changed.notify_all()


class _BrokenError(Exception):
    """The connection is to end with a reset."""


class _Connection:
    """One connection: two ends, two lanes, and the rule that it last heard of."""

    def __init__(self, gate: Gate, number: int, client: socket.socket, passing: Filter) -> None:
        self._gate = gate
        self._number = number
        self._client = client
        self._outward = Lane(Direction.TO_SERVICE, random.Random(f"{number}/out"))
        self._inward = Lane(Direction.TO_CALLER, random.Random(f"{number}/in"))
        self._passing = passing
        self._born = self._heard = gate.rule()
        self._toxic: Toxic | None = None
        self._backend: socket.socket | None = None
        self._reading = {Direction.TO_SERVICE, Direction.TO_CALLER}
        self._writing = {Direction.TO_SERVICE, Direction.TO_CALLER}

    def carry(self, dial: Callable[[], socket.socket]) -> None:
        try:
            self._client.settimeout(_SEND_SECONDS_MAX)
            _at_once(self._client)
            self._turn(self._born)
            self._wait_to_be_let_in()
            try:
                self._backend = dial()
            except OSError:
                # As the real one would be: nobody is there.
                _break(self._client)
                return
            with self._backend:
                self._backend.settimeout(_SEND_SECONDS_MAX)
                _at_once(self._backend)
                while self._writing:
                    self._step()
        except (_BrokenError, NotKafkaError):
            for end in (self._client, self._backend):
                if end is not None:
                    _break(end)
            with self._gate.counting() as counts:
                counts.reset += 1
        except OSError:
            # One side is broken: the other one learns it by its end.
            return

    def _wait_to_be_let_in(self) -> None:
        """While nothing passes either way, whoever is behind does not hear of a new connection."""
        while self._is_cut_off():
            self._look()
            if self._outward.room_bytes() == 0:
                self._gate.wait(LOOK_SECONDS)
            elif _readable([self._client], LOOK_SECONDS):
                self._read(self._client, self._outward)

    def _is_cut_off(self) -> bool:
        toxic = self._toxic
        return (
            toxic is not None
            and toxic.kind in (Toxicity.HOLD, Toxicity.BLACK_HOLE)
            and toxic.direction is Direction.BOTH
        )

    def _step(self) -> None:
        """Look at the rule, wait for what comes or is due, and move it."""
        rule = self._look()
        sources = {
            source: lane
            for source, lane in self._sources()
            if lane.direction in self._reading and lane.room_bytes() > 0
        }
        seconds = self._patience_seconds()
        if sources:
            readable = _readable(list(sources), seconds)
        else:
            readable = []
            self._gate.wait(seconds)
        with self._gate.moving(rule) as holds:
            if not holds:
                return
            for source in readable:
                self._read(source, sources[source])
            for lane in (self._outward, self._inward):
                self._pass_on(lane)

    def _look(self) -> GateRule:
        """Hear of the rule; what it ends, ends here."""
        rule = self._gate.rule()
        if rule is not self._heard:
            self._turn(rule)
        return rule

    def _turn(self, rule: GateRule) -> None:
        self._heard = rule
        spoilt = self._outward.lost_bytes + self._inward.lost_bytes
        if self._is_half_open or spoilt:
            # What was lost does not come any more: the stream has a hole, or no other end.
            raise _BrokenError
        toxic = rule.toxic
        if toxic is not None and (not is_struck(toxic, self._number) or self._is_too_young(rule)):
            toxic = None
        self._toxic = toxic
        now = time.monotonic()
        for lane in (self._outward, self._inward):
            lane.turn(toxic, now)
        if toxic is None:
            return
        with self._gate.counting() as counts:
            counts.struck += 1
        if toxic.kind is Toxicity.RESET and toxic.after_bytes == 0:
            raise _BrokenError
        if toxic.kind is Toxicity.HALF_OPEN and self._backend is not None:
            _break(self._backend)
            self._reading.discard(Direction.TO_CALLER)

    def _is_too_young(self, rule: GateRule) -> bool:
        """Whether it began when the far ends were gone already: its own is there."""
        toxic = rule.toxic
        return toxic is not None and toxic.kind is Toxicity.HALF_OPEN and self._backend is None

    @property
    def _is_half_open(self) -> bool:
        return self._toxic is not None and self._toxic.kind is Toxicity.HALF_OPEN

    def _sources(self) -> list[tuple[socket.socket, Lane]]:
        found = [(self._client, self._outward)]
        if self._backend is not None and not self._is_half_open:
            found.append((self._backend, self._inward))
        return found

    def _patience_seconds(self) -> float:
        dues = [at for lane in (self._outward, self._inward) if (at := lane.next_due()) is not None]
        return max(0.0, min([LOOK_SECONDS, *(at - time.monotonic() for at in dues)]))

    def _read(self, source: socket.socket, lane: Lane) -> None:
        data = source.recv(lane.room_bytes())
        if not data:
            self._reading.discard(lane.direction)
            if self._backend is None or self._is_half_open:
                # Nobody is behind it whom the end could be told.
                raise _BrokenError
            return
        before = lane.lost_bytes
        through = self._passing.outward if lane is self._outward else self._passing.inward
        lane.take(through(data), time.monotonic())
        if lost := lane.lost_bytes - before:
            with self._gate.counting() as counts:
                counts.lost_bytes += lost

    def _pass_on(self, lane: Lane) -> None:
        """Send what is due, and the end when all of it has gone."""
        if self._is_half_open or self._backend is None or lane.direction not in self._writing:
            return
        sink = self._backend if lane is self._outward else self._client
        pieces = lane.due(time.monotonic())
        for piece in pieces:
            sink.sendall(piece)
        if pieces:
            with self._gate.counting() as counts:
                sent = sum(map(len, pieces))
                if lane is self._outward:
                    counts.to_service_bytes += sent
                else:
                    counts.to_caller_bytes += sent
        if lane.is_over and lane.under_way_bytes == 0:
            raise _BrokenError
        if lane.direction not in self._reading and lane.under_way_bytes == 0:
            self._writing.discard(lane.direction)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


def serve(
    gate: Gate,
    listener: socket.socket,
    dial: Callable[[], socket.socket],
    new_filter: Callable[[], Filter] = Unchanged,
) -> None:
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
            target=gate.carry, args=(client, str(address[0]), dial, new_filter()), daemon=True
        ).start()


def _readable(ends: list[socket.socket], seconds: float) -> list[socket.socket]:
    """Those of which something, or an end, can be read within the time."""
    poller = select.poll()
    by_descriptor = {end.fileno(): end for end in ends}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    return [by_descriptor[found] for found, _ in poller.poll(seconds * 1000)]


def _at_once(end: socket.socket) -> None:
    """Small pieces are sent as they are: whoever asked for them shall have them."""
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _break(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.close()
