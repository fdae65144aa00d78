"""The smaller storm that still violates the same invariant: tried on real stacks, never guessed.

Each try is a stack of its own, and asks for the very invariant that the run violated: another one
that turns red is another story. A storm of processes does not play twice alike, so a schedule is
kept when one of some tries is red, and what is left is said with how often it was.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.files import write_atomically
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.selftest.throwaway import ThrowawayError, throwaway
from bookpayctl.session import code_of_signal
from bookpayctl.storm.ddmin import ddmin
from bookpayctl.storm.schedule import PlannedFault, Schedule, lighter, with_faults
from bookpayctl.targets.children import MODULES_VARIABLE, given_modules

SCHEDULE_FILE: Final = "schedule.json"
SCRIPT_FILE: Final = "repro.sh"

Violates = Callable[[Schedule], bool]


@dataclass(frozen=True, slots=True)
class ShrinkRequest:
    """What is to be made smaller.

    Attributes:
        question: the invariant that the run violated, e.g. `I10`.
        tries: of each smaller schedule; one that is red once is kept.
        confirmations: of what is left, for how often it is red.
        deadline_seconds: of each wait of a storm.
        into: folder of what comes of it.
    """

    run_id: str
    schedule: Schedule
    question: str
    tries: int
    confirmations: int
    deadline_seconds: float
    into: Path


def shrink(request: ShrinkRequest, observe: Callable[[str], None]) -> Report:
    """Find it, write it down, and say how often it is red."""
    began_at, began = datetime.now(UTC), time.monotonic()
    items: list[Item] = []
    incidents: list[ExitCode] = []
    asked = StackTries(request, observe)
    try:
        with interruptible(), closing(_shrunk(request, asked)) as found:
            items.extend(found)
    except Stopped as stopped:
        incidents.append(code_of_signal(stopped.number))
        items.append(_stopped(request, asked))
    return Report(
        kind="StormShrinkReport",
        context={
            "run": request.run_id,
            "question": request.question,
            "seed": str(request.schedule.seed),
        },
        items=tuple(items),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=True,
        incidents=tuple(incidents),
        notes=tuple(asked.failures),
    )


class StackTries:
    """Real stacks as an answer: whether a schedule violates the invariant there.

    Attributes:
        count: stacks that were brought up for it.
        smallest: the last schedule that was red, which is the smallest so far; None before one was.
        failures: of these that gave no answer, a sentence each.
    """

    def __init__(self, request: ShrinkRequest, observe: Callable[[str], None]) -> None:
        self.request = request
        self.count = 0
        self.smallest: Schedule | None = None
        self.failures: list[str] = []
        self._observe = observe

    def often(self, schedule: Schedule) -> bool:
        """Whether one of some tries is red; what gave no answer is not red."""
        red = any(self.once(schedule) for _ in range(self.request.tries))
        if red:
            self.smallest = schedule
        return red

    def once(self, schedule: Schedule) -> bool:
        self.count += 1
        told = ", ".join(str(fault.number) for fault in schedule.faults)
        self._observe(f"try {self.count}: faults {told} at {schedule.rate_per_second:g}/s")
        try:
            verdict = self._verdict(schedule)
        except ThrowawayError as error:
            self.failures.append(f"try {self.count} gave no answer: {error}")
            verdict = "no answer"
        self._observe(f"try {self.count}: {self.request.question} {verdict}")
        return verdict == Verdict.VIOLATED

    def _verdict(self, schedule: Schedule) -> str:
        request = self.request
        with throwaway((), lambda _: None, modules=given_modules()) as stack:
            path = stack.home / SCHEDULE_FILE
            path.write_text(json.dumps(schedule.document()))
            bound = f"{request.deadline_seconds:.0f}s"
            answers = stack.answers(("drill", "storm", "--schedule", str(path), "--timeout", bound))
        return str(answers.get(request.question, {}).get("verdict", "not asked"))


def _shrunk(request: ShrinkRequest, asked: StackTries) -> Generator[Item]:
    whole = request.schedule
    smaller = smallest(whole, asked.often)
    red = sum(asked.once(smaller) for _ in range(request.confirmations))
    script = _write(request, smaller, f"{red} of {request.confirmations} tries")
    title, required = "it is red again", f"{request.question} violated at least once more"
    observed = f"{red} of {request.confirmations} tries"
    if not red:
        reason = f"{observed} were red; what was tried last is in {script.parent}"
        yield unanswered("shrunk/reproduced", title, required, reason)
        return
    yield Item("shrunk/reproduced", title, Verdict.HOLDS, required, observed, request.confirmations)
    yield Item(
        id="shrunk/smaller",
        title=f"the smallest storm found that violates {request.question}",
        verdict=Verdict.HOLDS,
        required="no single fault of it can be left out, as far as tries tell",
        observed=f"{len(whole.faults)} faults to {len(smaller.faults)},"
        f" {whole.rate_per_second:g} orders/s to {smaller.rate_per_second:g},"
        f" {whole.duration_seconds:g} s to {smaller.duration_seconds:g}; {asked.count} stacks",
        examined=asked.count,
        evidence=(*(fault.words for fault in smaller.faults), str(script)),
    )


def _stopped(request: ShrinkRequest, asked: StackTries) -> Item:
    """What was found until a signal came; it is written down, and was not tried again."""
    found = f"stopped after {asked.count} stacks, with nothing smaller"
    if asked.smallest is not None:
        script = _write(request, asked.smallest, "once, and not tried again")
        left = len(asked.smallest.faults)
        found = f"stopped after {asked.count} stacks; {left} faults are left in {script.parent}"
    return unanswered("shrunk/smaller", "the smallest storm found", "tries to the end", found)


def smallest(whole: Schedule, violates: Violates) -> Schedule:
    """The fewest faults, then the lightest load, that still violate. Pure but for the question."""

    def still(faults: Sequence[PlannedFault]) -> bool:
        return violates(with_faults(whole, faults))

    found = with_faults(whole, ddmin(whole.faults, still))
    while (less := lighter(found)) is not None and violates(less):
        found = less
    return found


def _write(request: ShrinkRequest, smaller: Schedule, often: str) -> Path:
    """The schedule, and a script that runs it on a stack of its own."""
    into = request.into
    into.mkdir(parents=True, exist_ok=True)
    write_atomically(into / SCHEDULE_FILE, json.dumps(smaller.document(), indent=2) + "\n")
    script = into / SCRIPT_FILE
    write_atomically(script, script_of(request, often, given_modules()))
    script.chmod(0o755)
    return script


def script_of(request: ShrinkRequest, often: str, modules: Path | None) -> str:
    """What runs it again, and keeps what was seen; ends as the storm does. Pure."""
    bound = f"{request.deadline_seconds:.0f}s"
    under = [] if modules is None else [f"export {MODULES_VARIABLE}={shlex.quote(str(modules))}"]
    return "\n".join(
        [
            "#!/bin/sh",
            f"# {request.question}, violated by a storm of seed {request.schedule.seed}: {often}.",
            "set -eu",
            'folder=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)',
            "export BOOKPAY_HOME=$(mktemp -d) BOOKPAY_NAME=repro",
            *under,
            # What the storm saw is kept, and then its stack goes.
            'evidence="$folder/evidence-$(date -u +%Y%m%dT%H%M%SZ)"',
            "keep() {",
            '  cp -R "$BOOKPAY_HOME/repro/runs" "$evidence" || echo "no run was kept" >&2',
            '  bookpayctl down --purge; rmdir "$BOOKPAY_HOME" || true',
            "}",
            "trap keep EXIT",
            # Also a Ctrl-C ends by way of the trap.
            "trap 'exit 130' INT; trap 'exit 143' TERM",
            'echo "kept at the end: $evidence, for bookpayctl verify and report" >&2',
            "bookpayctl up",
            f'bookpayctl drill storm --schedule "$folder/{SCHEDULE_FILE}" --timeout {bound}',
            "",
        ]
    )
