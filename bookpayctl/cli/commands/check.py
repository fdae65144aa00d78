"""`check`: the chapter's six items, by behaviour, and what an operator looks at besides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import NameOption, environment_of, suppressions_of
from bookpayctl.cli.output import fail, hint
from bookpayctl.cli.reports import (
    EvidenceOption,
    FormatOption,
    ReportFormat,
    ReportOption,
    SelftestOption,
    StrictOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.check import Check
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment
    from bookpayctl.targets.suppressions import Suppression

OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", metavar="ID", help="Ask only this one; repeatable.")
]
CategoryOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CATEGORY",
        help="Ask only `checklist` or `operations`; repeatable.",
    ),
]
SkipOption = Annotated[
    list[str] | None, typer.Option("--skip", metavar="ID", help="Leave this one out; repeatable.")
]


def check(
    name: NameOption = None,
    only: OnlyOption = None,
    skip: SkipOption = None,
    category: CategoryOption = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long each wait may take.")
    ] = "30s",
    wait: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Ask what does not hold again, for so long."),
    ] = None,
    max_records: Annotated[
        int | None,
        typer.Option(min=1, help="Replay about so many of the newest records; default: all."),
    ] = None,
    selftest: SelftestOption = False,
    strict: StrictOption = False,
    verbose: EvidenceOption = True,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Ask whether payments are wired correctly, and whether the stack can be relied on now.

    The checklist's six items (BP-C…) are asked by behaviour: two probe orders with test cards are
    placed, registered and never audited. Then what an operator looks at (BP-O…): backlogs, what
    waits for a person, retention, WAL, clocks, disk. There a worry is a warning, and counts with
    --strict. What bookpay.toml suppresses with a reason and a last day is asked and does not count.
    With --wait what does not hold is asked again until it does (a warning only with --strict), and
    every attempt is on record.
    --selftest asks stacks that are wrong on purpose, on this machine and apart from any
    environment: a check that does not find out is broken.

    Example: bookpayctl check --only BP-C001 --report junit=check.xml
    """
    from bookpayctl.checks import CHECKS
    from bookpayctl.cli.durations import duration_of

    files = report_files(report, output)
    chosen = _chosen(only, skip, category)
    deadline_seconds = duration_of(timeout, "--timeout")
    wait_seconds = duration_of(wait, "--wait") if wait is not None else 0.0
    if selftest:
        left = [item for item in chosen if item.id not in (skip or [])]
        finish(_selftest(left), output, files, detailed=verbose)
    suppressions = suppressions_of([item.id for item in CHECKS])
    environment = environment_of(name)
    result = run_all(
        environment,
        chosen,
        skip or [],
        deadline_seconds=deadline_seconds,
        records_max=max_records,
        suppressions=suppressions,
        wait_seconds=wait_seconds,
        strict=strict,
    )
    finish(result, output, files, detailed=verbose)


def _selftest(chosen: list[Check]) -> Report:
    """Ask the chosen checks of what is wrong on purpose."""
    from bookpayctl.controls.catalogue import controls_asking
    from bookpayctl.selftest.report import selftest_report
    from bookpayctl.selftest.stacks import question_items

    questions = {item.id: item.title for item in chosen}
    controls = controls_asking("check", questions)
    return selftest_report("check", question_items(controls, questions, hint))


def run_all(
    environment: Environment,
    chosen: list[Check],
    skipped: list[str],
    *,
    deadline_seconds: float,
    records_max: int | None,
    suppressions: tuple[Suppression, ...],
    wait_seconds: float,
    strict: bool,
) -> Report:
    """Ask the checks in a run of their own, or refuse while an earlier run is not recovered."""
    from bookpayctl.check import WHOLE, CheckRequest, run_checks
    from bookpayctl.session import RefusedError, refused_report

    request = CheckRequest(
        environment,
        deadline_seconds=deadline_seconds,
        replay_range=replace(WHOLE, records_max=records_max),
        skipped=tuple(skipped),
        suppressions=suppressions,
        wait_seconds=wait_seconds,
        strict=strict,
    )
    try:
        return run_checks(chosen, request, hint)
    except RefusedError as refused:
        return refused_report("CheckReport", environment, refused)


def _chosen(
    only: list[str] | None, skip: list[str] | None, categories: list[str] | None
) -> list[Check]:
    """The checks asked for, in the table's order; exit 2 on an id or category nobody knows."""
    from bookpayctl.check import Category
    from bookpayctl.checks import CHECKS

    known = [item.id for item in CHECKS]
    unknown = [text for text in [*(only or []), *(skip or [])] if text not in known]
    if unknown:
        fail(f"no check {unknown[0]!r}; there are {', '.join(known)}", ExitCode.USAGE)
    there = [category.value for category in Category]
    strange = [text for text in categories or [] if text not in there]
    if strange:
        fail(f"no category {strange[0]!r}; there are {', '.join(there)}", ExitCode.USAGE)
    return [
        item
        for item in CHECKS
        if (only is None or item.id in only) and (categories is None or item.category in categories)
    ]


def register(app: typer.Typer) -> None:
    app.command("check")(check)
