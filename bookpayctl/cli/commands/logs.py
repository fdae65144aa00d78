"""`logs`: what the processes of an environment wrote, as one stream."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import OutputFormat, as_it_comes, fail, leave, reader_left
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.log_lines import LogLine, OrderFilter
    from bookpayctl.targets.target import Target

# Shown in their own columns, or the same on every line.
_COLUMNS: Final = frozenset({"ts", "level", "msg", "service", "process"})


def logs(
    service: Annotated[
        str | None, typer.Argument(help="A service or one of its processes; default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new lines.")] = False,
    order: Annotated[
        str | None, typer.Option(metavar="ID", help="Only lines that belong to this order.")
    ] = None,
    tail: Annotated[
        int, typer.Option(min=0, metavar="N", help="The last N lines; 0 for all.")
    ] = 200,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the logs, merged by time. `-o json` gives one JSON object per line.

    Exits 5 when no line matches.

    Lines that are not JSON, such as PostgreSQL's or a traceback, are shown with a bar before them.

    Example: bookpayctl logs payments-worker --tail 20
    """
    from bookpayctl.runs.interrupts import Stopped, interruptible
    from bookpayctl.targets.platforms import open_target

    target = open_target(environment_of(name))
    known = _services_by_process(target)
    processes = _processes(known, service)
    as_it_comes()
    try:
        with interruptible():
            # All processes teach the ids of an order, also those that are not shown.
            shown = _show(
                target, processes, list(known), order, tail=tail, follow=follow, output=output
            )
    except Stopped as stop:
        leave(ExitCode(128 + stop.number) if stop.number != 1 else ExitCode.TERMINATED)
    if not shown:
        fail("no lines match", ExitCode.VACUOUS)


def _services_by_process(target: Target) -> dict[str, str]:
    """The service of each process that there is or was: logs stay when their writers went."""
    from bookpayctl.targets.errors import TargetError

    recorded = {spec.name: spec.service for spec in target.environment.processes}
    try:
        living = {found.name: found.service for found in target.processes().values()}
    except TargetError:
        # Nothing runs.
        living = {}
    return {**recorded, **living}


def _processes(known: Mapping[str, str], service: str | None) -> list[str]:
    """The processes a name stands for; exit 2 with the known names when it stands for none."""
    found = [name for name, its_service in known.items() if service in (None, name, its_service)]
    if not found:
        there_are = ", ".join(sorted(set(known.values())))
        fail(f"no service or process {service!r}; there are: {there_are}", ExitCode.USAGE)
    return found


def _show(
    target: Target,
    processes: list[str],
    teaching: list[str],
    order: str | None,
    *,
    tail: int,
    follow: bool,
    output: OutputFormat,
) -> int:
    """Print what is asked for; returns the number of lines."""
    from bookpayctl.targets.log_lines import OrderFilter

    wanted = None if order is None else OrderFilter(order)
    if wanted is not None:
        for line in target.log_lines(teaching):
            wanted.learn(line)
    past = _matching(target.log_lines(processes), wanted)
    shown = 0
    for line in deque(past, maxlen=tail or None):
        _print(line, output)
        shown += 1
        if reader_left():
            return shown
    if follow:
        sys.stdout.flush()
        stream = target.follow(processes)
        for line in _matching(stream, wanted):
            _print(line, output)
            sys.stdout.flush()
            shown += 1
            # Such as `head`, which has seen enough.
            if reader_left():
                break
    return shown


def _matching(lines: Iterable[LogLine], wanted: OrderFilter | None) -> Iterator[LogLine]:
    for line in lines:
        if wanted is not None:
            wanted.learn(line)
        if wanted is None or wanted.matches(line):
            yield line


def _print(line: LogLine, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        text = line.raw
        if line.fields is None:
            unparsed = {"ts": line.at or None, "process": line.process, "unparsed": line.raw}
            text = json.dumps(unparsed)
    elif line.fields is None:
        text = f"{line.at:<27} {line.process:<26} | {line.raw}"
    else:
        rest = " ".join(
            f"{key}={value}" for key, value in line.fields.items() if key not in _COLUMNS
        )
        message = f"{line.text('level'):<8} {line.text('msg')} {rest}".rstrip()
        text = f"{line.at:<27} {line.process:<26} {message}"
    sys.stdout.write(f"{text}\n")


def register(app: typer.Typer) -> None:
    app.command("logs")(logs)
