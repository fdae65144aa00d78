"""`runbook`: what to do when something is wrong, as pages whose commands can be typed for you."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bookpayctl.cli.options import NameOption, OnOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    fail,
    hint,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.cli.reports import (
    EvidenceOption,
    FormatOption,
    ReportFormat,
    ReportOption,
    finish,
    planned_form,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from bookpayctl.report.result import Report
    from bookpayctl.runbook.deciding import Chosen
    from bookpayctl.runbook.page import Runbook, Step
    from bookpayctl.targets.environment import Environment

SlugArgument = Annotated[str, typer.Argument(metavar="SLUG", help="See `runbook list`.")]
StepOption = Annotated[
    int | None, typer.Option("--step", metavar="N", min=1, help="Only this one; see `show`.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be typed, and stop.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before dangerous steps.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="What stands for $NAME; repeatable."),
]
TranscriptOption = Annotated[
    Path | None,
    typer.Option(
        "--transcript",
        metavar="FILE",
        help="Also write what was typed, as .json or .md.",
    ),
]


def list_runbooks(output: OutputOption = OutputFormat.TABLE) -> None:
    """The runbooks there are, which alert leads to each, and how it was rehearsed.

    Example: bookpayctl runbook list -o json
    """
    from bookpayctl.runbook.library import slugs

    books = [_found(slug) for slug in slugs()]
    if output is OutputFormat.JSON:
        print_json(runbook_list(books))
        return
    print_table(
        ("runbook", "what is wrong", "alert", "rehearsed"),
        [
            (
                book.slug,
                book.title,
                ", ".join(book.alerts),
                book.rehearsed or f"no: {book.unrehearsed}",
            )
            for book in books
        ],
    )


def runbook_list(books: list[Runbook]) -> Document:
    """The list as a document."""
    listed = [
        {
            "slug": book.slug,
            "title": book.title,
            "alerts": list(book.alerts),
            "rehearsed": book.rehearsed or None,
            "unrehearsed": book.unrehearsed or None,
            "needs": sorted(book.needs),
            "steps": len(book.steps),
        }
        for book in books
    ]
    return Document("RunbookList", ExitCode.PASS, "listed", {"runbooks": listed})


def show(slug: SlugArgument, output: OutputOption = OutputFormat.TABLE) -> None:
    """One runbook as it is written; as JSON its steps, with what each expects.

    Example: bookpayctl runbook show dead-letters
    """
    from bookpayctl.runbook.library import text_of

    book = _found(slug)
    if output is OutputFormat.JSON:
        print_json(runbook_page(book, book.steps))
        return
    print_line(text_of(slug).rstrip("\n"))


def runbook_page(book: Runbook, steps: tuple[Step, ...]) -> Document:
    """A runbook as a document."""
    body = {
        "slug": book.slug,
        "title": book.title,
        "sha256": book.sha256,
        "alerts": list(book.alerts),
        "needs": sorted(book.needs),
        "steps": [
            {
                "number": step.number,
                "section": step.section,
                "line": step.line,
                "command": step.command,
                "on": step.platform or None,
                "danger": step.danger or None,
                "status": step.expected.status,
                "expected": [*map(str, step.expected.lines), *map(str, step.expected.values)],
                "deadline_seconds": step.deadline_seconds,
                "within_seconds": step.within_seconds,
            }
            for step in steps
        ],
    }
    return Document("Runbook", ExitCode.PASS, "shown", body)


def run(
    slug: SlugArgument,
    name: NameOption = None,
    on: OnOption = None,
    step: StepOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    given: SetOption = None,
    transcript: TranscriptOption = None,
    verbose: EvidenceOption = True,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Type a runbook's commands one after another, and compare each answer with the page.

    Stops at the first that is not as expected, and shows both side by side. Steps for another
    platform, or for what an earlier answer did not have, are skipped with the reason; when none of
    Proof was typed, nothing is proven (exit 5). Dangerous steps are asked about; without a terminal
    the whole is refused (exit 6) unless --yes. What was typed and answered stays in the run's
    folder, without secrets.

    Example: bookpayctl runbook run dead-letters --dry-run
    """
    files = report_files(report, output)
    if transcript is not None and not transcript.absolute().parent.is_dir():
        fail(f"--transcript {str(transcript)!r}: there is no such folder", ExitCode.USAGE)
    book = _found(slug)
    environment = environment_of(name)
    chosen = _chosen(book, environment, on, step)
    if dry_run:
        _print_plan(chosen, output)
        return
    result = _perform(chosen, environment, _values(given), yes=yes)
    _keep_transcript(result, transcript)
    finish(result, output, files, detailed=verbose)


def _perform(
    chosen: Chosen, environment: Environment, values: dict[str, str], *, yes: bool
) -> Report:
    from bookpayctl.runbook.running import RunbookRequest, run_runbook

    request = RunbookRequest(
        chosen=chosen,
        environment=environment,
        values={**_known(environment), **values},
        yes=yes,
        ask=_asker(),
        secrets=_secrets(environment),
    )
    return _kept(lambda: run_runbook(request, hint))


def rehearse(
    slug: SlugArgument,
    name: NameOption = None,
    yes: YesOption = False,
    verbose: EvidenceOption = True,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Cause what a runbook is about, run the page to its proof, and put back what is left.

    For a stack of this machine that is there to be disturbed: it does what the page's Rehearsal
    says, and types dangerous steps without asking. Without a terminal it is refused (exit 6) unless
    --yes. A situation that could not be caused leaves the page untried: exit 3.

    Example: bookpayctl runbook rehearse outage --yes
    """
    from bookpayctl.runbook.rehearsing import why_not_rehearsed
    from bookpayctl.session import RefusedError, refused_report

    files = report_files(report, output)
    book = _found(slug)
    environment = environment_of(name)
    reason = why_not_rehearsed(book, environment)
    if reason is not None:
        fail(reason, ExitCode.USAGE)
    try:
        if not _agreed(book, yes=yes):
            raise RefusedError(f"it causes on purpose: {book.rehearsed or book.title}; see --yes")
        result = _rehearsed(book, environment)
    except RefusedError as refused:
        result = refused_report("RehearsalReport", environment, refused)
    _keep_transcript(result, None)
    finish(result, output, files, detailed=verbose)


def _agreed(book: Runbook, *, yes: bool) -> bool:
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return yes
    return typer.confirm(f"{book.rehearsed or book.title}, on purpose. Go on?", err=True)


def _rehearsed(book: Runbook, environment: Environment) -> Report:
    from bookpayctl.runbook.deciding import LOCAL, Chosen
    from bookpayctl.runbook.rehearsing import rehearse as cause_and_run
    from bookpayctl.runbook.running import RunbookRequest

    request = RunbookRequest(
        chosen=Chosen(book, LOCAL, book.steps),
        environment=environment,
        values=_known(environment),
        secrets=_secrets(environment),
    )
    return _kept(lambda: cause_and_run(request, hint))


def _kept(ask: Callable[[], Report]) -> Report:
    """What is asked, where it can be; exit 2 or 3 where a value lacks, or its run has no place."""
    from bookpayctl.runbook.running import MissingVariableError

    try:
        return ask()
    except MissingVariableError as error:
        fail(str(error), ExitCode.USAGE)
    except OSError as error:
        fail(f"the run could not be kept: {error}", ExitCode.UNKNOWN, fix="bookpayctl doctor")


def _found(slug: str) -> Runbook:
    from bookpayctl.runbook.library import find
    from bookpayctl.runbook.page import RunbookError

    try:
        return find(slug)
    except RunbookError as error:
        fail(str(error), ExitCode.USAGE)


def _chosen(book: Runbook, environment: Environment, on: str | None, number: int | None) -> Chosen:
    from bookpayctl.runbook.deciding import Chosen, platform_of

    if on is not None and on != environment.target:
        fail(
            f"--on {on!r}: environment {environment.name!r} is {environment.target}", ExitCode.USAGE
        )
    steps = tuple(one for one in book.steps if number in (None, one.number))
    if not steps:
        fail(f"--step {number}: {book.slug} has {len(book.steps)} steps", ExitCode.USAGE)
    return Chosen(book, platform_of(environment.target), steps)


def _values(given: list[str] | None) -> dict[str, str]:
    from bookpayctl.runbook.variables import NAME

    values = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not NAME.fullmatch(name):
            fail(f"--set {text!r} must be NAME=VALUE, NAME in capitals", ExitCode.USAGE)
        values[name] = value
    return values


def _known(environment: Environment) -> dict[str, str]:
    """What every page may use, the last one on this machine alone; none of it is a secret."""
    from bookpayctl.runbook.rehearsing import SUPERVISOR
    from bookpayctl.targets.platforms import supervisor_socket

    socket = supervisor_socket(environment)
    return {
        "DB_DSN": environment.dsn,
        "NAME": environment.name,
        "SECRETS": str(environment.secrets_dir),
        **({} if socket is None else {SUPERVISOR: str(socket)}),
    }


def _secrets(environment: Environment) -> tuple[str, ...]:
    """Every secret of the environment; several may stand in one file, a line each."""
    found: list[str] = []
    folder = environment.secrets_dir
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            words = path.read_text(errors="replace").split()
        except OSError as error:
            # What cannot be read cannot be told from other words, and must not be guessed at.
            fail(f"secret {path} cannot be read: {error.strerror}", ExitCode.UNKNOWN)
        # A line of a password file has the password behind its last colon.
        found += [*words, *(word.rpartition(":")[2] for word in words)]
    return tuple(found)


def _asker() -> Callable[[Step], bool] | None:
    """Who asks a person; None without a terminal on both sides."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return lambda step: typer.confirm(f"step {step.number} {step.danger}. Go on?", err=True)


def _keep_transcript(result: Report, place: Path | None) -> None:
    from bookpayctl.runbook import transcript

    if result.run_dir is None:
        return
    try:
        transcript.keep(Path(result.run_dir))
        if place is not None:
            transcript.export(Path(result.run_dir), place)
    except OSError as error:
        _lost(error)


def _lost(error: OSError) -> NoReturn:
    fail(f"the transcript could not be written: {error}", ExitCode.UNKNOWN)


def _print_plan(chosen: Chosen, output: ReportFormat) -> None:
    planned_form("--dry-run", output)
    if output is ReportFormat.JSON:
        print_json(runbook_page(chosen.book, chosen.steps))
        return
    print_table(
        ("step", "section", "command", "how"),
        [(step.number, step.section, step.command, _how(step, chosen)) for step in chosen.steps],
    )


def _how(step: Step, chosen: Chosen) -> str:
    if step not in chosen.here:
        return f"skipped: only on {step.platform}"
    if step.danger:
        return f"asks first: {step.danger}"
    return f"again for {step.within_seconds:g} s" if step.within_seconds else ""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What to do when something is wrong.", no_args_is_help=True)
    group.command("list")(list_runbooks)
    group.command("show")(show)
    group.command("run")(run)
    group.command("rehearse")(rehearse)
    app.add_typer(group, name="runbook")
