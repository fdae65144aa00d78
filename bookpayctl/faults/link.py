"""A link of the stack that is harmed for a while: slow, cut, deaf on one side, or half open.

The callers are led through a proxy while everything is well, which restarts them. Only then is the
proxy told. Each toxic ends by itself a moment after it was to be taken away, so that a tool that
was killed leaves a proxy that passes everything, and `recover` leads the callers past it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from bookpayctl.faults import undo
from bookpayctl.faults.canary import KEPT, NEW, ToxicTimes, answers_of
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.link_proof import CUTTING, required_of, seen_of
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.link import DiversionState, Link, LinkTarget
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity
from bookpayctl.targets.witness import Witness

CANARY_SECONDS: Final = 300.0
ANSWERED_SECONDS_MAX: Final = 60.0

# After the time that the tool takes it away, if it does.
OWN_END_SECONDS: Final = 5.0

_TITLES: Final = {KEPT: "an open connection was struck", NEW: "new connections were struck"}
_NAMES: Final = {KEPT: "old-connection", NEW: "new-connection"}


class SickLink(Fault):
    """One link with one toxic, for as long as the toxic says.

    Args:
        part: begins the names of its items, where a drill has several; empty where it has one.
    """

    def __init__(
        self,
        target: LinkTarget,
        run: Run,
        *,
        prefix: str,
        link: Link,
        toxic: Toxic,
        observe: Callable[[str], None],
        part: str = "",
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.links = target
        self.link = link
        self.toxic = toxic
        self.window: TimeAway | None = None
        self._observe = observe
        self._part = part
        self._canary: Witness | None = None
        self._ordered = self._began = self._ended = 0.0
        self._states: tuple[DiversionState, DiversionState] | None = None
        self._first: DiversionState | None = None

    def plan_undo(self) -> None:
        self._plan(undo.PROCESSES_RUNNING)
        self._plan(undo.RESTORE_LINKS)

    def prepare(self) -> None:
        """Lead the callers through the proxy, which passes everything; nothing is harmed yet.

        Raises:
            FaultError: the canary gets no answer.
        """
        divert(self.links, [self], self._observe)

    def place_canary(self) -> None:
        """Begin to ask through the proxy, and return when it is known how soon is usual.

        Raises:
            FaultError: the canary gets no answer.
        """
        self.run.journal("link_diverted", link=self.link.name)
        canary = self.links.place_canary(self.link.name, CANARY_SECONDS)
        answered = canary.wait_for(
            lambda lines: len(answers_of(lines, KEPT)) > 1 and len(answers_of(lines, NEW)) > 1,
            deadline_seconds=ANSWERED_SECONDS_MAX,
        )
        if not answered.reached:
            canary.dismiss()
            last = answered.value[-1].text if answered.value else "no word"
            raise FaultError(f"{canary.name} is not answered: {canary.end or last}")
        self._canary = canary

    def begin(self) -> None:
        """Tell the proxy, and return when it does what it was told.

        Raises:
            FaultError: it was never put there.
        """
        if self._canary is None:
            raise FaultError(f"{self.link.name} is not led through a proxy yet")
        began_at = time.time()
        lasting = self.toxic.lasting(self.toxic.seconds + OWN_END_SECONDS)
        self._ordered = time.monotonic()
        self._first = self.links.set_toxic_of_link(self.link.name, lasting)
        self._began = time.monotonic()
        self.window = TimeAway(began_at, began_at + self.toxic.seconds)
        what = f"{self.toxic.kind.value} {self.toxic.direction.value}"
        self.run.journal("toxic_set", link=self.link.name, toxic=what)

    def end(self) -> None:
        """Let everything pass again."""
        if self._first is None:
            return
        self._states = (self._first, self.links.link_state(self.link.name))
        self._ended = time.monotonic()
        self.links.set_toxic_of_link(self.link.name, None)
        if self.window is not None:
            self.window = TimeAway(self.window.began_at, time.time())
        self.run.journal("toxic_ended", link=self.link.name)

    def inject(self) -> None:
        """Harm it for its time, and return when it passes and the canary is answered again."""
        self.begin()
        # The length of it is the experiment; nothing is waited for.
        threading.Event().wait(self.toxic.seconds)
        self.end()
        self.wait_until_answered()

    def wait_until_answered(self) -> None:
        """Wait until new connections are answered again, or a minute is over."""
        if self._canary is None:
            return
        self._canary.wait_for(
            lambda lines: any(at > self._ended for at in answers_of(lines, NEW)),
            deadline_seconds=ANSWERED_SECONDS_MAX,
        )

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """The canary saw it on an old connection and on new ones, and in the right direction."""
        del deadline_seconds  # it is over: what was not heard of it never will be
        items = [self._connection_item(connection) for connection in (KEPT, NEW)]
        if self._canary is not None:
            self._canary.dismiss()
        # A reset after so many bytes lets them pass first, and ends both directions.
        deaf = self.toxic.kind in CUTTING - {Toxicity.RESET}
        if deaf and self.toxic.direction is not Direction.BOTH:
            items.append(self._direction_item())
        return items

    def _connection_item(self, connection: str) -> Item:
        name = f"{self._part}{_NAMES[connection]}-{'cut' if self._is_cut else 'struck'}"
        required, title = required_of(self.toxic, connection), _TITLES[connection]
        states = self._states
        if self._canary is None or states is None:
            return self._unproven(name, title, required, "it was never begun, or never ended")
        lines = self._canary.heard()
        times = ToxicTimes(self._ordered, self._began, self._ended)
        seen = seen_of(self.toxic, lines, connection, times)
        told = f"{seen.told}; the proxy struck {states[1].struck} connections"
        if not seen.is_proof or states[1].toxic is not self.toxic.kind:
            return self._unproven(name, title, required, told)
        return self._proven(name, title, required, told, seen.examined)

    @property
    def _is_cut(self) -> bool:
        return self.toxic.kind in CUTTING

    def _direction_item(self) -> Item:
        """The other direction was open: bytes went through it, and none through this one."""
        name, title = f"{self._part}one-direction", "one direction was open, and one was shut"
        required = f"no byte {self.toxic.direction.value} meanwhile, and some the other way"
        if self._states is None:
            return self._unproven(name, title, required, "it was never begun, or never ended")
        first, last = self._states
        there = last.to_service_bytes - first.to_service_bytes
        back = last.to_caller_bytes - first.to_caller_bytes
        shut, still = (
            (back, there) if self.toxic.direction is Direction.TO_CALLER else (there, back)
        )
        told = f"{there} bytes to {self.link.service}, {back} bytes back"
        if shut or not still:
            return self._unproven(name, title, required, told)
        return self._proven(name, title, required, told, still)


def divert(links: LinkTarget, sick: Sequence[SickLink], observe: Callable[[str], None]) -> None:
    """Lead the links of some faults through their proxies at once: each caller restarts once.

    Raises:
        FaultError: a canary gets no answer.
    """
    names = ", ".join(one.link.name for one in sick)
    observe(f"leading {names} through a proxy each; the callers are restarted")
    links.divert_links([one.link for one in sick])
    for one in sick:
        one.place_canary()
