"""`certify`: everything that can be asked of a stack, within a budget, to one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.bringing_up import bring_up
from bookpayctl.cli.options import NameOption, OnOption, environment_of, name_of, settings
from bookpayctl.cli.options import suppressions_of as suppressed
from bookpayctl.cli.output import Document, fail, hint, print_json, print_line, print_table
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    StrictOption,
    VerboseOption,
    finish,
    planned_form,
    report_files,
    write_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from typing import NoReturn

    from bookpayctl.certify.planning import CertificatePlan
    from bookpayctl.certify.profiles import Profile
    from bookpayctl.cli.reports import ReportFile
    from bookpayctl.report.result import Report
    from bookpayctl.report.verdict import Item
    from bookpayctl.targets.environment import Environment


class ProfileName(StrEnum):
    """How much is asked."""

    SMOKE = "smoke"
    NIGHTLY = "nightly"
    WEEKLY = "weekly"


ProfileOption = Annotated[
    ProfileName, typer.Option("--profile", help="smoke: minutes; nightly: hours; weekly: all.")
]
BudgetOption = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="What does not fit is left out; default: the profile's."),
]
TimeoutOption = Annotated[
    str, typer.Option(metavar="DURATION", help="Bound of each wait, and of each recovery.")
]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Say what would be asked and left out, and stop.")
]


def certify(
    name: NameOption = None,
    on: OnOption = None,
    profile: ProfileOption = ProfileName.SMOKE,
    budget: BudgetOption = None,
    timeout: TimeoutOption = "60s",
    plan: PlanOption = False,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Certify a stack: doctor, check, drills, rehearsed runbooks, red controls, audit, replay.

    Brings the environment up where there is none, and leaves it up. Runbooks are rehearsed, and
    controls tried, on stacks apart. One verdict, one exit code: what could not be asked is unknown
    (3), what the budget left out is named first, and is unknown where the profile requires it;
    nothing asked at all is vacuous (5). On GitHub the job gets a summary and annotations.

    Example: bookpayctl certify --profile nightly --budget 90m --plan
    """
    from bookpayctl.certify.profiles import BY_NAME
    from bookpayctl.cli.durations import duration_of

    files = report_files(report, output)
    chosen = BY_NAME[profile.value]
    budget_seconds = duration_of(budget or chosen.budget, "--budget")
    deadline_seconds = duration_of(timeout, "--timeout")
    place = name_of(name)
    if plan:
        _print_plan(_planned(environment_of(place), chosen, budget_seconds), output)
        return
    examined = _examined(place, on)
    environment = _environment(place, on, chosen, examined, output, files)
    result = _certified(
        environment,
        chosen,
        examined,
        budget_seconds=budget_seconds,
        deadline_seconds=deadline_seconds,
        strict=strict,
    )
    _end(result, output, files, detailed=verbose)


def _examined(name: str, on: str | None) -> tuple[Item, ...]:
    """What `doctor` finds, before anything is brought up."""
    from bookpayctl.certify.examining import examined_items
    from bookpayctl.targets.errors import TargetError
    from bookpayctl.targets.platforms import platform_of
    from bookpayctl.targets.settings import SettingsError

    values = settings({"name": name, "on": on})
    hint("examining what it runs on")
    try:
        return examined_items(platform_of(values).examine(values))
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)
    except TargetError as error:
        fail(str(error), error.code, reason=error.reason, fix=error.fix)


def _environment(
    name: str,
    on: str | None,
    profile: Profile,
    examined: Sequence[Item],
    output: ReportFormat,
    files: Sequence[ReportFile],
) -> Environment:
    """The environment as it is; one that is not there is brought up."""
    from bookpayctl.certify.examining import not_up_report
    from bookpayctl.runs.directory import now
    from bookpayctl.targets.environment import EnvironmentMissingError, load

    try:
        load(name)
    except EnvironmentMissingError:
        code = bring_up(name, on)
        if code is not ExitCode.PASS:
            context = {"environment": name, "target": on or "local", "profile": profile.name}
            context["not_run"] = "the stack did not come up"
            _end(not_up_report(context, examined, code, now()), output, files, detailed=False)
    return environment_of(name)


def _certified(
    environment: Environment,
    profile: Profile,
    examined: tuple[Item, ...],
    *,
    budget_seconds: float,
    deadline_seconds: float,
    strict: bool,
) -> Report:
    from bookpayctl.certify.asking import CertificateRequest, lacking, offer_of
    from bookpayctl.certify.profiles import pieces_of
    from bookpayctl.certify.run import certify as ask_all
    from bookpayctl.checks import CHECKS
    from bookpayctl.session import RefusedError, refused_report

    request = CertificateRequest(
        environment,
        examined,
        lacking(profile, environment),
        profile.name,
        budget_seconds,
        deadline_seconds,
        suppressions=suppressed([item.id for item in CHECKS]),
        strict=strict,
        keep=lambda found: write_files(found, []),
    )
    try:
        return ask_all(request, pieces_of(profile, offer_of(environment)), hint)
    except RefusedError as refused:
        return refused_report("CertificateReport", environment, refused)


def _end(
    result: Report, output: ReportFormat, files: Sequence[ReportFile], *, detailed: bool
) -> NoReturn:
    """Tell the CI it runs in, then end as every command that judges does."""
    from bookpayctl.cli.github import tell_github

    tell_github(result)
    finish(result, output, files, detailed=detailed, fold=None if detailed else "I")


def _planned(environment: Environment, profile: Profile, budget_seconds: float) -> CertificatePlan:
    from bookpayctl.certify.asking import offer_of
    from bookpayctl.certify.planning import plan
    from bookpayctl.certify.profiles import pieces_of

    return plan(pieces_of(profile, offer_of(environment)), budget_seconds=budget_seconds)


def certificate_plan(planned: CertificatePlan) -> Document:
    """What would be asked, as a document."""
    body = {
        "seconds": planned.seconds,
        **{
            name: [
                {
                    "id": piece.id,
                    "part": piece.part.value,
                    "name": piece.name,
                    "need": piece.need.name.lower(),
                    "seconds": piece.seconds,
                }
                for piece in pieces
            ]
            for name, pieces in (("asked", planned.asked), ("left_out", planned.left_out))
        },
    }
    return Document("CertificatePlan", ExitCode.PASS, "planned", body)


def _print_plan(planned: CertificatePlan, output: ReportFormat) -> None:
    planned_form("--plan", output)
    if output is ReportFormat.JSON:
        print_json(certificate_plan(planned))
        return
    rows = [(piece, "asked") for piece in planned.asked]
    rows += [(piece, "left out") for piece in planned.left_out]
    print_table(
        ("part", "what", "need", "usually", ""),
        [
            (piece.part.value, piece.name, piece.need.name.lower(), f"{piece.seconds:g} s", what)
            for piece, what in rows
        ],
    )
    print_line(f"{len(planned.asked)} pieces, about {planned.seconds:.0f} s; nothing was asked")


def register(app: typer.Typer) -> None:
    app.command("certify")(certify)
