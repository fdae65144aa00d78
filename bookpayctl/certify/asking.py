"""How each piece of a certificate is asked: by what its command does, never by another way.

Runbooks are rehearsed, and controls tried, on stacks apart: neither leaves anything in the stack
that is certified.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from bookpayctl.certify.planning import CertificatePart, Piece
from bookpayctl.certify.profiles import Offer, OfferedControls, OfferedDrill, Profile
from bookpayctl.check import CheckRequest, run_checks
from bookpayctl.checks import CHECKS
from bookpayctl.controls.catalogue import WRONG_STACKS, controls_of_drill, drill_of
from bookpayctl.controls.control import WrongStack
from bookpayctl.drill.run import run_drill, why_not_here
from bookpayctl.drill.scenario import DrillRequest
from bookpayctl.drill.series import ENDS_A_SERIES, Turn, item_of_run, left_out_item
from bookpayctl.drills import find_drill, load_drill
from bookpayctl.drills.catalogue import BY_SLUG, CATALOGUE
from bookpayctl.forgery import CASES
from bookpayctl.forgery.forge import forge
from bookpayctl.judge.audit import AuditRequest, audit
from bookpayctl.judge.stacks.ours import OurStack
from bookpayctl.replay.comparing import VERIFY, compare
from bookpayctl.replay.planning import ALL_TOPICS
from bookpayctl.replay.planning import plan as plan_replay
from bookpayctl.replay.ranges import ReplayRange
from bookpayctl.replay.reading import Pacing
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, not_asked, unanswered
from bookpayctl.runbook.library import find, slugs
from bookpayctl.runbook.rehearsing import rehearsed_item
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.selftest.stacks import stack_items
from bookpayctl.selftest.throwaway import Throwaway, throwaway
from bookpayctl.session import Observer, RefusedError, refused_report
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.settings import parse_duration
from bookpayctl.targets.suppressions import Suppression

AUDIT_AGE_SECONDS: Final = 0.0
"""The drills have waited until their orders were at rest."""


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What is to be certified, and how.

    Attributes:
        examined: what `doctor` found, before the stack was there.
        lacking: what is said of what cannot be asked of this stack.
        deadline_seconds: of each wait.
        suppressions: checks that are asked and do not count until a day.
        keep: writes a report into its run's folder.
    """

    environment: Environment
    examined: tuple[Item, ...]
    lacking: tuple[Item, ...]
    profile: str
    budget_seconds: float
    deadline_seconds: float
    suppressions: tuple[Suppression, ...] = ()
    strict: bool = False
    keep: Callable[[Report], Report] = lambda report: report


@dataclass(frozen=True, slots=True)
class PieceAnswer:
    """What a piece came to.

    Attributes:
        code: of its own report.
        incidents: those after which nothing else is begun.
    """

    items: tuple[Item, ...]
    code: ExitCode = ExitCode.PASS
    incidents: tuple[ExitCode, ...] = ()


@dataclass(slots=True)
class Asking:
    """Asks the pieces, and holds the stack apart while runbooks are rehearsed on it."""

    request: CertificateRequest
    run: Run
    observe: Observer
    _apart: ExitStack = field(default_factory=ExitStack)
    _stack: Throwaway | None = None

    def ask(self, piece: Piece) -> PieceAnswer:
        """One piece to its end.

        Raises:
            Exception: it could not be asked; nothing is known.
        """
        if piece.part is not CertificatePart.REHEARSALS:
            self.close()
        match piece.part:
            case CertificatePart.DOCTOR:
                return PieceAnswer(self.request.examined)
            case CertificatePart.CHECK:
                return self._of_report(self._or_refused("CheckReport", self._checks))
            case CertificatePart.WEBHOOKS:
                return self._of_report(self._or_refused("ForgeReport", self._webhooks))
            case CertificatePart.DRILLS:
                return self._drill(piece)
            case CertificatePart.REHEARSALS:
                return self._rehearsal(piece)
            case CertificatePart.CONTROLS:
                return PieceAnswer(tuple(stack_items(control_groups()[piece.name], self.observe)))
            case CertificatePart.AUDIT:
                return self._of_report(self._or_refused("AuditReport", self._audit))
            case CertificatePart.REPLAY:
                return self._of_report(self._or_refused("ReplayReport", self._replay))
            case _:
                assert_never(piece.part)

    def close(self) -> None:
        """Take the stack apart down, if it is up."""
        self._stack = None
        self._apart.close()

    def _checks(self) -> Report:
        request = CheckRequest(
            self.request.environment,
            suppressions=self.request.suppressions,
            strict=self.request.strict,
        )
        return self.request.keep(run_checks(CHECKS, request, self.observe))

    def _webhooks(self) -> Report:
        return self.request.keep(forge(self.request.environment, CASES, self.observe))

    def _drill(self, piece: Piece) -> PieceAnswer:
        slug, _, point = piece.name.partition(" --at ")
        drill = find_drill(slug)
        if drill is None:
            raise LookupError(f"no drill {slug!r}")
        request = DrillRequest(
            self.request.environment,
            point,
            duration_seconds=parse_duration(BY_SLUG[slug].duration),
            deadline_seconds=self.request.deadline_seconds,
            strict=self.request.strict,
        )
        report = self._or_refused(
            "DrillReport",
            lambda: self.request.keep(run_drill(drill, request, self.observe)),
        )
        return replace(self._of_report(report), items=(item_of_run(Turn(drill, request), report),))

    def _rehearsal(self, piece: Piece) -> PieceAnswer:
        if self._stack is None:
            self._stack = self._apart.enter_context(throwaway((), self.observe))
        report = self._stack.report("runbook", "rehearse", piece.name, "--yes")
        return PieceAnswer((rehearsed_item(find(piece.name), report),))

    def _audit(self) -> Report:
        request = AuditRequest(
            OurStack(self.request.environment),
            age_seconds=AUDIT_AGE_SECONDS,
            deadline_seconds=self.request.deadline_seconds,
            run=self.run,
            strict=self.request.strict,
        )
        return audit(request, self.observe)

    def _replay(self) -> Report:
        environment = self.request.environment
        position = plan_replay(environment, ReplayRange(ALL_TOPICS), VERIFY.mode)
        run = directory.begin(environment.runs_dir, "replay")
        run.journal("begin", mode=VERIFY.mode)
        report = compare(environment, run, VERIFY, position, Pacing(), strict=self.request.strict)
        run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
        return self.request.keep(report)

    def _or_refused(self, kind: str, ask: Callable[[], Report]) -> Report:
        try:
            return ask()
        except RefusedError as refused:
            return refused_report(kind, self.request.environment, refused)

    def _of_report(self, report: Report) -> PieceAnswer:
        """A report's answers; one that was refused has none, and that is its answer.

        Raises:
            RefusedError: it was refused.
        """
        if ExitCode.REFUSED in report.incidents and not report.items:
            raise RefusedError(report.context.get("refused", "refused"))
        grave = tuple(code for code in report.incidents if code in ENDS_A_SERIES)
        grave = tuple(code for code in grave if code is not ExitCode.REFUSED)
        return PieceAnswer(report.items, report.code, grave)


def offer_of(environment: Environment) -> Offer:
    """What can be asked of an environment; on a cluster nothing that needs this machine."""
    local = environment.target == LOCAL
    books = [find(slug) for slug in slugs()] if local else []
    return Offer(
        drills=tuple(
            OfferedDrill(
                entry.slug,
                tuple(drill.points),
                parse_duration(entry.duration),
                provoking_points(entry.slug),
            )
            for entry in CATALOGUE
            if why_not_here(drill := load_drill(entry), environment) is None
        ),
        controls=tuple(
            OfferedControls(name, len(found), sum(1 for control in found if control.edits))
            for name, found in (control_groups() if local else {}).items()
        ),
        rehearsals=tuple(book.slug for book in books if book.causes and book.rehearsed),
        webhooks=local,
    )


def provoking_points(slug: str) -> tuple[str, ...]:
    """Where the controls of a drill strike; one that names no point strikes at the first."""
    commands = [control.command for control in controls_of_drill(slug)]
    return tuple(
        dict.fromkeys(words[words.index("--at") + 1] for words in commands if "--at" in words)
    )


def lacking(profile: Profile, environment: Environment) -> tuple[Item, ...]:
    """What a profile asks for and this stack does not have.

    A drill that the profile names is unknown then; one of all is left out, as in a series.
    """
    items = []
    for entry in CATALOGUE:
        reason = why_not_here(load_drill(entry), environment)
        if reason is None or entry.slug not in (profile.drills or {entry.slug}):
            continue
        if profile.drills is None:
            items.append(left_out_item(entry.slug, entry.title, reason))
        else:
            name = f"certify/drills/{entry.slug}"
            items.append(unanswered(name, entry.title, "the drill is run", reason))
    if environment.target != LOCAL:
        reason = f"they need stacks of this machine, and {environment.name} is in a cluster"
        items += [
            not_asked(f"certify/{part.value}", part.value, "tried", reason)
            for part in (CertificatePart.REHEARSALS, CertificatePart.CONTROLS)
        ]
    return tuple(items)


def control_groups() -> dict[str, list[WrongStack]]:
    """The red controls by what is tried together, those of `check` first."""
    groups: dict[str, list[WrongStack]] = {"check/around": [], "check/runtimes": []}
    for control in WRONG_STACKS:
        drill, command = drill_of(control), control.command[0]
        if drill is not None:
            name = f"drill/{drill}"
        elif command == "check":
            name = "check/runtimes" if control.edits else "check/around"
        else:
            name = command
        groups.setdefault(name, []).append(control)
    return groups
