"""Which drills the words of a command line choose, and how each is to be run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bookpayctl.cli.durations import duration_of
from bookpayctl.cli.output import console, fail, is_interactive
from bookpayctl.drill.phase import Phase
from bookpayctl.drill.run import why_not_here
from bookpayctl.drill.scenario import Drill, DrillRequest, never_asked
from bookpayctl.drill.series import Turn, left_out_item, turns_of
from bookpayctl.drills import find_drill, load_drill
from bookpayctl.drills.catalogue import BY_SLUG, CATALOGUE, Area
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.verdict import Item
from bookpayctl.targets.environment import Environment


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said on the command line.

    Attributes:
        duration: of the load; None: what is usual for each drill.
        repetitions: how often all of it is run.
    """

    slugs: tuple[str, ...]
    tags: tuple[Area, ...] = ()
    everything: bool = False
    at: str | None = None
    every_point: bool = False
    repetitions: int = 1
    rate_per_second: float = 10.0
    duration: str | None = None
    timeout: str = "60s"
    seed: int = 0
    keeps_fault: bool = False
    pause_before: Phase | None = None
    strict: bool = False

    @property
    def is_one(self) -> bool:
        """Whether one drill is named, to be run once: its own report is the command's."""
        many = self.tags or self.everything or self.every_point or self.repetitions > 1
        return len(self.slugs) == 1 and not many

    def turns(self, drills: list[Drill], environment: Environment) -> tuple[list[Turn], list[Item]]:
        """The turns of it, and what is said of drills that were not named and cannot be run here.

        One that was named is kept: that it is refused is the answer.
        """
        left_out = {
            drill.slug: reason
            for drill in drills
            if drill.slug not in self.slugs
            and (reason := why_not_here(drill, environment)) is not None
        }
        requests = [
            (drill, self._request(drill, environment))
            for drill in drills
            if drill.slug not in left_out
        ]
        turns = turns_of(requests, every_point=self.every_point, repetitions=self.repetitions)
        return turns, [
            left_out_item(slug, BY_SLUG[slug].title, why) for slug, why in left_out.items()
        ]

    def _request(self, drill: Drill, environment: Environment) -> DrillRequest:
        usual = BY_SLUG[drill.slug].duration
        return DrillRequest(
            environment=environment,
            point=self.at or next(iter(drill.points)),
            rate_per_second=self.rate_per_second,
            duration_seconds=duration_of(self.duration or usual, "--duration"),
            deadline_seconds=duration_of(self.timeout, "--timeout"),
            seed=self.seed,
            strict=self.strict,
            keeps_fault=self.keeps_fault,
            pause_before=self.pause_before,
            pause=_pause_of(self.pause_before),
        )


def chosen(choice: Choice) -> list[Drill]:
    """The drills that are meant, each once; exit 2 where none is, or one is not there."""
    named = [_named(slug) for slug in dict.fromkeys(choice.slugs)]
    meant = [
        load_drill(entry)
        for entry in CATALOGUE
        if entry.slug not in choice.slugs
        and (choice.everything or set(entry.hits) & set(choice.tags))
    ]
    drills = [*named, *meant]
    if not drills:
        fail("which drill? name some, or take --tag or --all; see `drill list`", ExitCode.USAGE)
    if choice.at is not None and (len(drills) > 1 or choice.every_point):
        fail("--at is a point of one drill; --all-points takes all of each", ExitCode.USAGE)
    if choice.at is not None and choice.at not in drills[0].points:
        has = f"{drills[0].slug} has {', '.join(drills[0].points)}"
        fail(f"--at {choice.at!r}: {has}", ExitCode.USAGE)
    if choice.keeps_fault and not choice.is_one:
        fail("--keep leaves one fault in place, and the next drill would meet it", ExitCode.USAGE)
    return drills


def _named(slug: str) -> Drill:
    drill = find_drill(slug)
    if drill is None:
        known = ", ".join(BY_SLUG)
        fail(f"no drill {slug!r}; there are: {known}", ExitCode.USAGE)
    return drill


def _pause_of(phase: Phase | None) -> Callable[[str], None]:
    """How to wait for the operator; exit 2 where there is nobody who could press Enter."""
    if phase is None:
        return never_asked
    if not (sys.stdin.isatty() and is_interactive()):
        fail(f"--pause-before {phase.value} waits for Enter and needs a terminal", ExitCode.USAGE)
    return _wait_for_enter


def _wait_for_enter(text: str) -> None:
    # A terminal that was closed will not answer any more.
    with suppress(EOFError):
        console(stderr=True).input(f"{text}; Enter goes on ", markup=False)
