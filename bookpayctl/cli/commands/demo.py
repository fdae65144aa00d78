"""`demo`: the whole story in one command, from nothing to a verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.bringing_up import bring_up
from bookpayctl.cli.options import NameOption, OnOption, environment_of, name_of
from bookpayctl.cli.output import fail, hint, leave, print_line
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    SelftestOption,
    finish,
    look_of,
    report_files,
    told,
    write_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.demo import Part
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment


def demo(
    name: NameOption = None,
    on: OnOption = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long each wait may take.")
    ] = "60s",
    selftest: SelftestOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Bring the stack up, sell three books, kill a worker in the middle of a charge, and judge.

    Real PostgreSQL, real Kafka, our stand-in for Stripe, on this machine or with --on kube in a
    cluster. The stack is left running; `bookpayctl down` stops it.
    --selftest runs it on a stack that is wrong on purpose, whose customers must not be served.

    Example: bookpayctl demo --report junit=demo.xml
    """
    from bookpayctl.cli.durations import duration_of
    from bookpayctl.session import RefusedError, guard, refused_report

    files = report_files(report, output)
    deadline_seconds = duration_of(timeout, "--timeout")
    if selftest:
        finish(_selftest(), output, files)
    chosen = name_of(name)
    code = bring_up(chosen, on)
    if code is not ExitCode.PASS:
        fail("the stack did not come up, see above", code, reason="not_up", fix="bookpayctl doctor")
    environment = environment_of(chosen)
    try:
        guard(environment)
    except RefusedError as refused:
        finish(refused_report("DemoReport", environment, refused), output, files)
    live = output is ReportFormat.TABLE
    result = _run(environment, deadline_seconds, live=live)
    if live:
        told(result)
        result = write_files(result, files)
        _print_verdict(result, environment)
        leave(result.code)
    finish(result, output, files)


def _selftest() -> Report:
    """Run it where what is wrong is on purpose."""
    from bookpayctl.controls.catalogue import controls_asking
    from bookpayctl.selftest.report import selftest_report
    from bookpayctl.selftest.stacks import stack_items

    return selftest_report("demo", stack_items(controls_asking("demo", ["demo"]), hint))


def _run(environment: Environment, deadline_seconds: float, *, live: bool) -> Report:
    from bookpayctl.demo import run_demo

    shown = _Sections()
    return run_demo(
        environment,
        hint,
        deadline_seconds=deadline_seconds,
        done=shown.show if live else lambda _: None,
    )


class _Sections:
    """Prints each part under a numbered title as soon as it is judged."""

    def __init__(self) -> None:
        self._number = 0

    def show(self, part: Part) -> None:
        from bookpayctl.report.text import id_width, item_lines

        self._number += 1
        print_line(f"{self._number}. {part.title}")
        width = id_width(part.report.items)
        for item in part.report.items:
            # Thirty invariants are one line each; what they rest on is told with the first.
            detailed = not item.id.startswith("I") or item.id == "I00"
            for line in item_lines(item, look_of(detailed=detailed), width=width):
                print_line(f"   {line}")
        if not part.report.items:
            print_line(f"   {part.report.verdict.value}: {part.report.reason}")
        print_line()
        sys.stdout.flush()


def _print_verdict(result: Report, environment: Environment) -> None:
    from bookpayctl.report.text import summary_lines

    for line in summary_lines(result, look_of(detailed=False)):
        print_line(line)
    if result.code is ExitCode.PASS:
        print_line(_in_words(result))
    flag = "" if environment.name == "default" else f" --name {environment.name}"
    hint(f"the stack is still up; next: bookpayctl order list{flag}, or bookpayctl down{flag}")


def _in_words(result: Report) -> str:
    """What the verdict means, said only when everything held, with what was counted."""
    examined = {item.id: item.examined for item in result.items}
    killed = examined["crash-mid-charge/process-restarted"]
    return (
        f"{examined['I10']} orders judged from three ledgers, {killed} worker killed in"
        " the middle of a charge: nobody was charged twice, no paid order was lost."
    )


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)
