"""What a certificate comes to: the worst of what was asked, and never a pass of what was not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bookpayctl.certify.asking import (
    CertificateRequest,
    PieceAnswer,
    control_groups,
    provoking_points,
)
from bookpayctl.certify.examining import examined_items, not_up_report
from bookpayctl.certify.planning import CertificatePart, Need, Piece
from bookpayctl.certify.profiles import BY_NAME, Offer, OfferedDrill, pieces_of
from bookpayctl.certify.run import CertificateCourse, certificate
from bookpayctl.cli.reports import ReportFormat, render
from bookpayctl.controls.catalogue import WRONG_STACKS, drill_of
from bookpayctl.controls.control import WrongStack
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.record import report_of
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs.directory import Run
from bookpayctl.targets.platform import Examination, ExaminationResult
from bookpayctl.targets.platforms import LOCAL
from tests.support.environments import environment_away
from tests.support.report_schema import problems

CHECK = Piece(CertificatePart.CHECK, "check", 10, Need.ALWAYS)
DRILL = Piece(CertificatePart.DRILLS, "outage --at kafka", 30)
EXTRA = Piece(CertificatePart.DRILLS, "outage --at postgres", 30, Need.EXTRA)
GOOD = Item("BP-C001", "t", Verdict.HOLDS, "r", "o", 3)
BAD = Item("outage/at-kafka", "t", Verdict.VIOLATED, "r", "o", 3)


def came_to(
    tmp_path: Path,
    *answers: PieceAnswer,
    left_out: tuple[Piece, ...] = (),
    missed: tuple[Piece, ...] = (),
) -> Report:
    course = CertificateCourse(left_out=list(left_out))
    for answer in answers:
        course.take(CHECK, answer)
    for piece in missed:
        course.miss(piece, "refused: another run is under way")
    request = CertificateRequest(environment_away(tmp_path), (), (), "smoke", 60.0, 60.0)
    run = cast(Run, SimpleNamespace(run_id="r1", path=tmp_path / "r1"))
    report = certificate(request, course, run, "2026-11-30T00:00:00.000+00:00", 12.0)
    document: dict[str, Any] = json.loads(render(report, ReportFormat.JSON))
    assert problems(document) == []
    assert report_of(document).code is report.code
    return report


def test_where_all_was_asked_and_holds_it_passes(tmp_path: Path) -> None:
    report = came_to(tmp_path, PieceAnswer((GOOD,)))

    assert (report.code, report.notes) == (ExitCode.PASS, ())


def test_one_violation_is_the_verdict(tmp_path: Path) -> None:
    report = came_to(tmp_path, PieceAnswer((GOOD,)), PieceAnswer((BAD,), ExitCode.VIOLATED))

    assert (report.code, report.verdict) == (ExitCode.VIOLATED, Verdict.VIOLATED)


def test_what_was_required_and_left_out_is_unknown_and_said_first(tmp_path: Path) -> None:
    report = came_to(tmp_path, PieceAnswer((GOOD,)), left_out=(DRILL,))

    assert report.code is ExitCode.UNKNOWN
    assert render(report, ReportFormat.TABLE).splitlines()[0].startswith("NOT CERTIFIED: ")
    assert report.context["left_out"] == "1"


def test_what_was_extra_and_left_out_is_named_and_spoils_nothing(tmp_path: Path) -> None:
    report = came_to(tmp_path, PieceAnswer((GOOD,)), left_out=(EXTRA,))

    assert report.code is ExitCode.PASS
    assert "none of them required: drills: outage --at postgres" in report.notes[0]
    assert report.items[-1].verdict is Verdict.SKIPPED


def test_nothing_asked_at_all_is_vacuous(tmp_path: Path) -> None:
    report = came_to(tmp_path, left_out=(CHECK, DRILL))

    assert (report.code, report.verdict) == (ExitCode.VACUOUS, Verdict.VACUOUS)


def test_a_piece_that_could_not_be_asked_is_unknown(tmp_path: Path) -> None:
    report = came_to(tmp_path, PieceAnswer((GOOD,)), missed=(DRILL,))

    assert report.code is ExitCode.UNKNOWN
    assert report.items[-1].id == "certify/drills/outage/at-kafka"


@pytest.mark.parametrize("code", [ExitCode.VACUOUS, ExitCode.UNKNOWN, ExitCode.DEADLINE])
def test_a_part_that_came_to_no_pass_makes_none_of_the_whole(
    code: ExitCode, tmp_path: Path
) -> None:
    assert came_to(tmp_path, PieceAnswer((GOOD,), code)).code is code


def test_after_what_could_not_be_undone_nothing_else_is_begun(tmp_path: Path) -> None:
    course = CertificateCourse()

    course.take(DRILL, PieceAnswer((GOOD,), ExitCode.DIRTY, (ExitCode.DIRTY,)))

    assert course.ended == "drills: outage --at kafka ended with exit 7"


def test_what_doctor_finds_are_answers_of_their_own() -> None:
    items = examined_items(
        Examination(result.value, result, "required", "seen", "mend it")
        for result in ExaminationResult
    )

    assert [item.verdict for item in items] == [
        Verdict.HOLDS,
        Verdict.WARNING,
        Verdict.VIOLATED,
        Verdict.UNKNOWN,
    ]


def test_a_stack_that_does_not_come_up_has_a_certificate_that_is_no_pass() -> None:
    context = {"environment": "ci", "target": "local", "profile": "smoke", "not_run": "not up"}

    report = not_up_report(context, [GOOD], ExitCode.VIOLATED, "2026-11-30T00:00:00.000+00:00")

    assert report.code is ExitCode.VIOLATED
    assert problems(json.loads(render(report, ReportFormat.JSON))) == []
    assert "nothing else was asked" in render(report, ReportFormat.JUNIT)


# What no profile asks by itself, and what else of a certificate turns red of the same runtime.
ASKED_OTHERWISE = {
    "orders-follow-no-payment": "check asks for an order that is cancelled (BP-C005)",
    "no-inbox-replayed": "check replays from the beginning (BP-C006)",
    "no-inbox-sent-again": "check replays from the beginning (BP-C006)",
    "tables-drifted-from-the-log": "the audit compares rows with their history (I29)",
}


@pytest.mark.parametrize("profile", ["nightly", "weekly"])
@pytest.mark.parametrize("control", WRONG_STACKS, ids=lambda control: control.name)
def test_a_certificate_asks_what_provokes_each_stack_that_is_known_to_be_wrong(
    control: WrongStack, profile: str
) -> None:
    drills = tuple(
        OfferedDrill(entry.slug, tuple(drill.points), 10.0, provoking_points(entry.slug))
        for entry in CATALOGUE
        if LOCAL in (drill := load_drill(entry)).platforms
    )
    pieces = pieces_of(BY_NAME[profile], Offer(drills, (), (), webhooks=True))
    required = {piece.name for piece in pieces if piece.need is not Need.EXTRA}
    slug, words = drill_of(control), control.command

    if slug is not None:
        (offered,) = (drill for drill in drills if drill.slug == slug)
        point = words[words.index("--at") + 1] if "--at" in words else offered.points[0]
        assert f"{slug} --at {point}" in required
    elif control.name not in ASKED_OTHERWISE:
        name = "webhooks" if words[0] == "webhook" else words[0]
        assert name in required
        assert name != "replay" or words[:3] == ("replay", "--mode", "verify")


def test_every_control_is_in_one_group() -> None:
    grouped = [control.name for group in control_groups().values() for control in group]

    assert sorted(grouped) == sorted(control.name for control in WRONG_STACKS)
