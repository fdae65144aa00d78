"""Virtual time in one thread: tasks that wait, processes that die, freeze and come back.

A task is a generator. It yields seconds to sleep, or a `Call` to wait for; between two yields
nothing else happens, so a yield is where a crash, a freeze or another task may come in. A crash
drops every task of the process; what they had made durable, and what they had sent, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any, TypeVar

_T = TypeVar("_T")

Waiting = Generator["float | Call", Any, _T]
"""A part of a task, with what comes of it."""
Task = Waiting[None]


class Call:
    """A question on its way; answered once, later answers are dropped."""

    __slots__ = ("answer", "is_answered", "waiter")

    def __init__(self) -> None:
        self.answer: Any = None
        self.is_answered = False
        self.waiter: tuple[SimulatedProcess, int, Task] | None = None


class SimulatedProcess:
    """One process: a name that survives restarts and an incarnation that does not.

    Attributes:
        start: makes its tasks, at first and after each crash.
        ended: told when it dies, for what others notice of it.
        skew_seconds: how far its own clock is off.
        frozen_until: till then its tasks wait, whatever they wait for.
        is_ours: a service of the stack; the others, clients and operators, do not fail.
    """

    __slots__ = (
        "ended",
        "frozen_until",
        "incarnation",
        "is_down",
        "is_ours",
        "name",
        "skew_seconds",
        "start",
    )

    def __init__(self, name: str, *, is_ours: bool = True) -> None:
        self.name = name
        self.is_ours = is_ours
        self.incarnation = 1
        self.is_down = False
        self.frozen_until = 0.0
        self.skew_seconds = 0.0
        self.start: Callable[[], list[Task]] = list
        self.ended: Callable[[], None] = _nothing


def _nothing() -> None:
    """Nobody notices."""


class Kernel:
    """The loop: the earliest first, ties in the order of their making.

    Attributes:
        now: virtual wall time in seconds.
        steps: tasks resumed so far.
        before_step: may crash or freeze the process whose task is next; False to drop the step.
    """

    def __init__(self, before_step: Callable[[SimulatedProcess], bool]) -> None:
        self.now = 0.0
        self.steps = 0
        self.before_step = before_step
        self._heap: list[tuple[float, int, SimulatedProcess | None, int, Any, Any]] = []
        self._made = 0

    def spawn(self, process: SimulatedProcess, task: Task, delay: float = 0.0) -> None:
        """Begin a task of a process; it dies with this incarnation."""
        self._push(self.now + delay, process, process.incarnation, task, None)

    def at(self, delay: float, action: Callable[[], None]) -> None:
        """Have something happen outside of all processes: a packet arrives, a bank decides."""
        self._push(self.now + delay, None, 0, action, None)

    def answer(self, call: Call, value: object) -> None:
        """Answer a call now; one that was answered, or whose asker died, hears nothing."""
        if call.is_answered:
            return
        call.is_answered, call.answer = True, value
        if call.waiter is not None:
            process, incarnation, task = call.waiter
            self._push(self.now, process, incarnation, task, value)

    def crash(self, process: SimulatedProcess, seconds: float) -> None:
        """End a process as SIGKILL would, and start it again after so many seconds."""
        process.incarnation += 1
        process.is_down = True
        process.frozen_until = 0.0
        process.ended()
        self.at(seconds, lambda: self.boot(process))

    def boot(self, process: SimulatedProcess) -> None:
        """Start the tasks of a process."""
        process.is_down = False
        for task in process.start():
            self.spawn(process, task)

    def run(self, until: float) -> bool:
        """Let time pass up to a moment; False when nothing is left to happen before it."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            at, _, process, incarnation, task, value = heappop(heap)
            if at > self.now:
                self.now = at
            if process is None:
                task()
            elif process.incarnation == incarnation:
                if process.frozen_until > at:
                    self._push(process.frozen_until, process, incarnation, task, value)
                elif not process.is_ours or self.before_step(process):
                    self._resume(process, incarnation, task, value)
                elif process.incarnation == incarnation:
                    # Frozen just now.
                    self._push(process.frozen_until, process, incarnation, task, value)
        self.now = max(self.now, until)
        return bool(heap)

    def _resume(
        self, process: SimulatedProcess, incarnation: int, task: Task, value: object
    ) -> None:
        self.steps += 1
        try:
            wait = task.send(value)
        except StopIteration:
            return
        if isinstance(wait, Call):
            if wait.is_answered:
                self._push(self.now, process, incarnation, task, wait.answer)
            else:
                wait.waiter = (process, incarnation, task)
        else:
            self._push(self.now + wait, process, incarnation, task, None)

    def _push(
        self,
        at: float,
        process: SimulatedProcess | None,
        incarnation: int,
        task: object,
        value: object,
    ) -> None:
        self._made += 1
        heappush(self._heap, (at, self._made, process, incarnation, task, value))
