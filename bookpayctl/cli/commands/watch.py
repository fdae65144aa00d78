"""`watch`: the environment now, again and again: processes, leader, rates, latencies, backlog."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bookpayctl.cli.commands.status import status_body
from bookpayctl.cli.durations import duration_of
from bookpayctl.cli.facts import json_value
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    as_it_comes,
    console,
    fail,
    hint,
    is_interactive,
    leave,
    print_json,
    print_line,
    reader_left,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.target import Target
    from bookpayctl.watch.glance import Glance

Show = Callable[[list[str], str], None]

WIDTH_WITHOUT_TERMINAL: Final = 120


def watch(
    once: Annotated[bool, typer.Option("--once", help="Look once and leave, as `status`.")] = False,
    every: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait between two looks.")
    ] = "2s",
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Watch processes, leader, rates, latencies, backlog, lag, what waits, and the last faults.

    Rates and latencies are those of the last 10 s. A stack that goes down is shown going down, and
    coming back; Ctrl-C ends it (130). Without a terminal each look is one line.

    With --once or `-o json`, which is one look, the exit code is that of `status`: 0, 1, 3 or 5.

    Example: bookpayctl watch --once
    """
    pause_seconds = duration_of(every, "--every")
    if once or output is OutputFormat.JSON:
        _once(name, output)
    from bookpayctl.runs.interrupts import Stopped, interruptible

    # A name that nobody has is a mistake; one that goes away later is news.
    environment_of(name)
    last: list[str] = []
    try:
        with interruptible(), _shown() as show:
            while not reader_left():
                last = _look_and_show(name, show)
                time.sleep(pause_seconds)
    except Stopped as stop:
        if is_interactive(sys.stdout):
            # The view is gone from the screen; what it said last is not.
            print_line("\n".join(last))
        leave(ExitCode(128 + stop.number) if stop.number != 1 else ExitCode.TERMINATED)


def _once(name: str | None, output: OutputFormat) -> None:
    from bookpayctl.cli.watch_view import view
    from bookpayctl.targets.errors import TargetError
    from bookpayctl.targets.platforms import open_target
    from bookpayctl.watch.looking import look

    try:
        glance = look(open_target(environment_of(name)))
    except TargetError as error:
        fail(str(error), error.code, reason=error.reason, fix=error.fix)
    document = glance_document(glance)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        print_line("\n".join(view(glance, width=_width())))
    for note in glance.status.notes:
        hint(note)
    leave(document.code)


def glance_document(glance: Glance) -> Document:
    """A look as a document; what nobody said is an object with `unknown` and the reason."""
    code, reason = glance.status.exit()
    body = {
        **status_body(glance.status),
        "at": glance.at.isoformat(),
        "pace": json_value(glance.pace),
        "runs": json_value(glance.runs),
    }
    return Document("Watch", code, reason, body)


def _look_and_show(name: str | None, show: Show) -> list[str]:
    """One look, whatever became of the environment; returns what was shown."""
    from bookpayctl.cli.watch_view import one_line, view
    from bookpayctl.targets.environment import EnvironmentMissingError
    from bookpayctl.targets.errors import TargetError
    from bookpayctl.watch.looking import look

    try:
        glance = look(_reached(name))
    except (EnvironmentMissingError, TargetError) as error:
        lines = [f"{time.strftime('%H:%M:%S', time.gmtime())} cannot look: {error}"]
        show(lines, lines[0])
        return lines
    lines = view(glance, width=_width())
    show(lines, one_line(glance))
    return lines


def _reached(name: str | None) -> Target:
    """The environment as it is recorded now: it may have been brought up anew, on other ports.

    Raises:
        EnvironmentMissingError, TargetError: it is gone, or its platform does not answer.
    """
    from bookpayctl.cli.options import name_of
    from bookpayctl.targets.environment import load
    from bookpayctl.targets.platforms import open_target, reached

    return open_target(reached(load(name_of(name))))


@contextmanager
def _shown() -> Iterator[Show]:
    """Where looks are shown: a screen that is redrawn, or a line for each."""
    if not is_interactive(sys.stdout):
        as_it_comes()

        def add(_lines: list[str], line: str) -> None:
            print_line(line)
            sys.stdout.flush()

        yield add
        return
    from rich.live import Live
    from rich.text import Text

    with Live(console=console(), screen=True, auto_refresh=False) as live:

        def redraw(lines: list[str], _line: str) -> None:
            live.update(Text("\n".join(lines), no_wrap=True, overflow="crop"), refresh=True)

        yield redraw


def _width() -> int:
    """Columns of the terminal that reads."""
    return console().width if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL


def register(app: typer.Typer) -> None:
    app.command("watch")(watch)
