"""One certificate: the pieces one after another, and what they come to together.

The worst of all answers is the verdict. What the budget left out is named before anything else,
and where it was required nobody is acquitted; where nothing at all was asked the certificate is
vacuous. After a piece that was interrupted, or could not be undone, nothing else is begun.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.certify.asking import Asking, CertificateRequest, PieceAnswer
from bookpayctl.certify.planning import Need, Piece, fits, in_order, note_of
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, not_asked, unanswered
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.session import Observer, RefusedError, code_of_signal, guard

KIND: Final = "certify"
REQUIRED: Final = "asked, to its end"


@dataclass(slots=True)
class CertificateCourse:
    """Where a certificate stands."""

    items: list[Item] = field(default_factory=list)
    codes: list[ExitCode] = field(default_factory=list)
    asked: int = 0
    through: int = 0
    left_out: list[Piece] = field(default_factory=list)
    ended: str = ""

    def take(self, piece: Piece, answer: PieceAnswer) -> None:
        """Add what a piece came to."""
        self.asked += 1
        self.items += answer.items
        self.codes += [answer.code, *answer.incidents]
        if answer.incidents:
            self.ended = f"{piece.title} ended with exit {int(answer.incidents[0])}"

    def miss(self, piece: Piece, reason: str) -> None:
        """Add that a piece was to be asked, and was not to its end."""
        self.items.append(unanswered(piece.id, piece.title, REQUIRED, reason))


def certify(request: CertificateRequest, pieces: Sequence[Piece], observe: Observer) -> Report:
    """Ask the pieces in their order, as far as the budget goes.

    A signal ends it; what was answered until then is reported.

    Raises:
        RefusedError: nothing may be disturbed here now; nothing was asked.
    """
    guard(request.environment)
    run = directory.begin(request.environment.runs_dir, KIND)
    run.journal("begin", profile=request.profile, budget_seconds=request.budget_seconds)
    began_at, began = directory.now(), time.monotonic()
    course, ordered = CertificateCourse(), in_order(pieces)
    asking = Asking(request, run, observe)
    try:
        with interruptible(), closing(asking):
            for number, piece in enumerate(ordered, start=1):
                left = request.budget_seconds - (time.monotonic() - began)
                _go_through(piece, ordered[number:], left, asking, course)
                course.through = number
    except Stopped as stopped:
        course.codes.append(code_of_signal(stopped.number))
        course.ended = f"stopped by {stopped}"
        for piece in ordered[course.through :]:
            course.miss(piece, course.ended)
    report = certificate(request, course, run, began_at, time.monotonic() - began)
    run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    return report


def _go_through(
    piece: Piece,
    later: Sequence[Piece],
    seconds_left: float,
    asking: Asking,
    course: CertificateCourse,
) -> None:
    if course.ended:
        course.miss(piece, f"not begun: {course.ended}")
        return
    if not fits(piece, later, seconds_left):
        course.left_out.append(piece)
        asking.run.journal("left_out", piece=piece.id, seconds_left=round(seconds_left, 1))
        return
    asking.observe(f"{piece.title}; {seconds_left:.0f} s of the budget are left")
    try:
        answer = asking.ask(piece)
    except RefusedError as refused:
        course.miss(piece, f"refused: {refused}")
    except Exception as error:  # noqa: BLE001 - what broke is unknown, and the others are asked
        asking.run.journal("raised", piece=piece.id, error=repr(error))
        course.miss(piece, f"{type(error).__name__}: {error}".strip())
    else:
        course.take(piece, answer)
        asking.run.journal("piece", piece=piece.id, code=int(answer.code))


def certificate(
    request: CertificateRequest, course: CertificateCourse, run: Run, began_at: str, seconds: float
) -> Report:
    """The report of it: answers, then what was left out, and why it is no pass where it is none."""
    answered = bool(course.items)
    budget = f"the budget of {request.budget_seconds:g} s was used up"
    left = [_left_out(piece, budget, answered=answered) for piece in course.left_out]
    note = note_of(course.left_out, course.asked, request.budget_seconds)
    bad = [code for code in course.codes if code not in (ExitCode.PASS, ExitCode.REFUSED)]
    environment = request.environment
    return Report(
        kind="CertificateReport",
        context={
            "environment": environment.name,
            "target": environment.target,
            "stripe": environment.stripe_name,
            "profile": request.profile,
            "budget": f"{request.budget_seconds:g} s",
            "asked": str(course.asked),
            "left_out": str(len(course.left_out)),
            "run": run.run_id,
        },
        items=(*course.items, *left, *request.lacking),
        started_at=began_at,
        duration_seconds=seconds,
        # Of thirty invariants some have nothing to look at; a piece of which that is true says so.
        each_must_answer=False,
        strict=request.strict,
        incidents=tuple(bad),
        run_dir=str(run.path),
        notes=() if note is None else (note,),
    )


def _left_out(piece: Piece, why: str, *, answered: bool) -> Item:
    """Where nothing was asked at all the whole is vacuous, and not a list of unknowns."""
    if piece.need is Need.EXTRA or not answered:
        return not_asked(piece.id, piece.title, REQUIRED, why)
    return unanswered(piece.id, piece.title, REQUIRED, why)
