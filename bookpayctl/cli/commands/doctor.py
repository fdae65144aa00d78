"""`doctor`: what could stop `up` here, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import NameOption, OnOption, OutputOption, name_of, settings
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    fail,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.exit_code import ExitCode, worst

if TYPE_CHECKING:
    from bookpayctl.targets.platform import Examination


def doctor(
    name: NameOption = None,
    on: OnOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings exit 4.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Examine Python, programs, memory, disk, ports, cache and limits; name the remedy.

    With --on kube: the cluster, its context, operators, what the account may do, nodes, storage.
    With --on kind: kind, its engine, the node image and the image to load before all that.

    Exits 0 when `up` should work, 1 when it will not, 3 when something could not be examined.

    Example: bookpayctl doctor --strict
    """
    from bookpayctl.targets.errors import TargetError
    from bookpayctl.targets.platforms import platform_of
    from bookpayctl.targets.settings import SettingsError

    name_of(name)
    values = settings({"name": name, "on": on})
    try:
        findings = platform_of(values).examine(values)
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)
    except TargetError as error:
        fail(str(error), error.code, reason=error.reason, fix=error.fix)
    document = doctor_report(findings, strict=strict)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        _print(findings)
    leave(document.code)


def doctor_report(findings: list[Examination], *, strict: bool) -> Document:
    """The findings as a document."""
    code = _exit_code(findings, strict=strict)
    body = {"findings": [asdict(finding) for finding in findings]}
    return Document("Doctor", code, _reason(code), body)


def _exit_code(findings: list[Examination], *, strict: bool) -> ExitCode:
    codes = {
        "ok": ExitCode.PASS,
        "warning": ExitCode.WARNINGS if strict else ExitCode.PASS,
        "failed": ExitCode.VIOLATED,
        "unknown": ExitCode.UNKNOWN,
    }
    return worst(codes[finding.result.value] for finding in findings)


def _reason(code: ExitCode) -> str:
    reasons = {
        ExitCode.PASS: "up_should_work",
        ExitCode.WARNINGS: "warnings",
        ExitCode.VIOLATED: "up_will_not_work",
    }
    return reasons.get(code, "could_not_examine")


def _print(findings: list[Examination]) -> None:
    print_table(
        ("subject", "result", "required", "observed"),
        [(found.subject, found.result, found.required, found.observed) for found in findings],
    )
    for found in findings:
        if found.fix:
            print_line(f"fix {found.subject}: {found.fix}")


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
