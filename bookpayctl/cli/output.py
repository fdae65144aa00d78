"""What a command prints, and where.

stdout carries exactly one document, in the format asked for; progress, hints and errors go to
stderr. Nothing here decides: exit codes come in from `report`, and colour never carries meaning
alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import typer

from bookpayctl.report.document import API_VERSION
from bookpayctl.report.exit_code import REASONS, ExitCode

if TYPE_CHECKING:
    from rich.console import Console


class OutputFormat(StrEnum):
    """The formats every command has; commands with more of them add their own."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Document:
    """One answer of the tool.

    Attributes:
        kind: what it is, e.g. `Status`; with the API version it names the schema.
        code: the exit code of the command, the same in every format.
        reason: one slug for the code, e.g. `all_healthy`.
        body: JSON-ready values, merged beside `apiVersion`, `kind` and `exit`.
    """

    kind: str
    code: ExitCode
    reason: str
    body: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, *, one_line: bool = False) -> str:
        return json.dumps(
            {
                "apiVersion": API_VERSION,
                "kind": self.kind,
                "exit": {"code": int(self.code), "reason": self.reason},
                **self.body,
            },
            indent=None if one_line else 2,
            default=str,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command did not come to its own end.

    Attributes:
        reason: slug for programs.
        part: the process that failed; empty when it is none.
        log: the last lines it wrote.
        fix: what to do next, when one thing helps.
    """

    code: ExitCode
    reason: str
    message: str
    part: str = ""
    log: tuple[str, ...] = ()
    fix: str = ""


class Failed(typer.Exit):
    """Ends a command that has said on stderr why; `cli.ending` makes the document of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(int(failure.code))
        self.failure = failure


def failure_document(failure: Failure) -> Document:
    """The failure as the one document of a command that has no other."""
    body = {
        "message": failure.message,
        "fix": failure.fix,
        "part": failure.part,
        "log": list(failure.log),
    }
    return Document("Failure", failure.code, failure.reason, body)


@dataclass(slots=True)
class WorkDone:
    """What this process has done, for when stdout cannot say it.

    Attributes:
        deeds: what the command changed or found, a line each, with the ids.
        answer_is_the_work: whether the command was run for its report and nothing else.
    """

    deeds: list[str] = field(default_factory=list)
    answer_is_the_work: bool = False


WORK_DONE: Final = WorkDone()


def did(deed: str) -> None:
    """Note what was done, with its id; said on stderr only where stdout does not say it."""
    WORK_DONE.deeds.append(deed)


def reader_left() -> bool:
    """Whether nobody reads stdout any more, so that a command that follows something may end."""
    return getattr(sys.stdout, "lost", None) is not None


def as_it_comes() -> None:
    """Let stdout go out at once: the command prints a line for each thing, not one document."""
    release = getattr(sys.stdout, "release", None)
    if release is not None:
        release()


def wants_colour(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Whether `stream` gets colour.

    NO_COLOR beats CLICOLOR_FORCE and FORCE_COLOR, those beat CLICOLOR=0 and TERM=dumb, and
    without any of them a terminal decides. `--color` sets NO_COLOR or FORCE_COLOR.

    Source:
        no-color.org: any non-empty value counts.
    """
    variables = os.environ if environ is None else environ
    if variables.get("NO_COLOR"):
        return False
    if any(variables.get(name, "0") != "0" for name in ("CLICOLOR_FORCE", "FORCE_COLOR")):
        return True
    if variables.get("CLICOLOR") == "0" or variables.get("TERM") == "dumb":
        return False
    return stream.isatty()


def is_interactive(stream: TextIO | None = None) -> bool:
    """Whether redrawn lines (spinners, bars) are welcome on `stream`, by default stderr."""
    return (stream or sys.stderr).isatty() and os.environ.get("TERM") != "dumb"


def console(*, stderr: bool = False) -> Console:
    """A rich console for one stream; what is piped is not squeezed into 80 columns."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    colour = wants_colour(stream)
    return Console(
        file=stream,
        no_color=not colour,
        force_terminal=True if colour and not stream.isatty() else None,
        width=None if stream.isatty() else 200,
        highlight=False,
        emoji=False,
        soft_wrap=False,
    )


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """One table on stdout: left-aligned, no frames, nothing cut, so that `awk` can read it too."""
    cells = [list(headers), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        line = "  ".join(padded).rstrip()
        bold = number == 0 and wants_colour(sys.stdout)
        print_line(f"\x1b[1m{line}\x1b[0m" if bold else line)


def print_line(text: str = "") -> None:
    """One line of the document on stdout."""
    sys.stdout.write(f"{text}\n")


def print_json(document: Document) -> None:
    """The document on stdout, alone."""
    print_line(document.to_json())


def hint(text: str) -> None:
    """One line beside the document, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def leave(code: ExitCode) -> NoReturn:
    """End the command with `code`; 0 too, so that a caller need not tell them apart."""
    raise typer.Exit(int(code))


def fail(
    message: str, code: ExitCode, *, fix: str | None = None, reason: str | None = None
) -> NoReturn:
    """Say why on stderr and end the command with `code`.

    Args:
        message: what was attempted, on what, and why it did not work; no secret.
        code: the exit code.
        fix: what to do next, when one thing helps.
        reason: slug for programs; default: the code's own.
    """
    hint(f"error: {message}")
    if fix is not None:
        hint(f"fix: {fix}")
    raise Failed(Failure(code, reason or REASONS[code], message, fix=fix or ""))
