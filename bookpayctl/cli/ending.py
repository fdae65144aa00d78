"""How a command ends: one document on stdout in the format asked for, one exit code, whatever came.

A command that was asked for JSON or JUnit prints its document, or one that says why there is none:
for a wrong option, a stack that is down, a Ctrl-C, a deadline, and for a defect of the tool, too.
The document is held back until the command is over, so its code is the code of the process. The
code tells what became of the work; that stdout took no answer changes it for one thing only: a
report whose file could not be written is not there, and a report that is not there is no pass.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import typer
from typer.exceptions import TyperException

from bookpayctl.cli.output import WORK_DONE, Failed, Failure, failure_document, hint, print_line
from bookpayctl.cli.streams import Stream, take_over
from bookpayctl.report.exit_code import REASONS, ExitCode, worst
from bookpayctl.runs.interrupts import STOPPING, Stopped, stop_now

# Letters of options without a value, which may stand before the `o` in one word: `-vo json`.
_CLUSTER: Final = re.compile(r"-[fhv]*o(.*)", re.DOTALL)
_FORMAT_OPTIONS: Final = ("--output", "--format")
_MACHINE_FORMATS: Final = ("json", "junit")
# What is redirected into a file to be kept; a table is read as it comes.
_KEPT_FORMATS: Final = (*_MACHINE_FORMATS, "markdown", "html")
COMPLETION_VARIABLE: Final = "_BOOKPAYCTL_COMPLETE"


@dataclass(frozen=True, slots=True)
class Ending:
    """The exit code a command came to, and why, when it did not come to its own end."""

    code: int
    failure: Failure | None = None


def format_asked(arguments: Sequence[str]) -> str | None:
    """`json` or `junit` when that is what stdout must carry; read before anything can go wrong."""
    asked = _output_asked(arguments)
    return asked if asked in _MACHINE_FORMATS else None


def _output_asked(arguments: Sequence[str]) -> str | None:
    """Whatever stands behind -o, the last one counting."""
    asked = None
    words = iter(arguments)
    for word in words:
        if word == "--":
            break
        cluster = _CLUSTER.fullmatch(word)
        name, equals, value = word.partition("=")
        if name in _FORMAT_OPTIONS:
            asked = value if equals else next(words, None)
        elif cluster and not word.startswith("--"):
            asked = cluster[1].removeprefix("=") or next(words, None)
    return asked


def run(arguments: Sequence[str]) -> int:
    """Run one command line to its end, print what is to be printed, and return the exit code."""
    out, _ = take_over()
    wanted = format_asked(arguments)
    if wanted is not None:
        out.hold()
    with _terminable():
        ending = _end_of(arguments)
    # From here on a second Ctrl-C, or TERM, ends the process at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    _print_document(out, wanted, ending)
    out.flush()
    return _code_after_printing(out, ending, kept=_output_asked(arguments) in _KEPT_FORMATS)


def _end_of(arguments: Sequence[str]) -> Ending:
    """Run the command; every way in which it can end comes out as a value."""
    try:
        _invoke(arguments)
    except Failed as failed:
        return Ending(failed.exit_code, failed.failure)
    except typer.Exit as left:
        return Ending(left.exit_code)
    except TyperException as wrong:
        return _wrong_use(wrong)
    except (KeyboardInterrupt, typer.Abort):
        return _said(Failure(ExitCode.INTERRUPTED, "interrupted", "stopped by SIGINT"))
    except Stopped as stopped:
        code = ExitCode.INTERRUPTED if stopped.number == signal.SIGINT else ExitCode.TERMINATED
        return _said(Failure(code, REASONS[code], f"stopped by {stopped}"))
    # The last handler there is: it explains and exits.
    except Exception as error:  # noqa: BLE001
        return _broken(error)
    return Ending(ExitCode.PASS)


def _invoke(arguments: Sequence[str]) -> None:
    from bookpayctl.cli.app import build_app, build_command

    if COMPLETION_VARIABLE in os.environ:
        build_app()()
    # Not through `main` of the command: it takes any broken pipe, also one of the database's, for
    # stdout's and exits 1, which would be a verdict.
    command = build_command()
    with command.make_context("bookpayctl", list(arguments)) as context:
        command.invoke(context)


def _wrong_use(wrong: TyperException) -> Ending:
    """What the parser of the command line has to say; the usage goes to stderr as ever."""
    show = getattr(wrong, "show", None)
    if show is None:
        return _broken(wrong)
    show()
    message = wrong.format_message() if hasattr(wrong, "format_message") else str(wrong)
    # Without a word after a group's name the "message" is its whole help.
    first = message.strip().splitlines()[0] if message.strip() else "a command is missing"
    return Ending(ExitCode.USAGE, Failure(ExitCode.USAGE, REASONS[ExitCode.USAGE], first))


def _broken(error: Exception) -> Ending:
    """A tool that broke has found nothing: that is unknown, 3, never Python's own 1."""
    if os.environ.get("BOOKPAY_TRACEBACK"):
        import traceback

        traceback.print_exc()
    if _folder_is_gone():
        where = _name_of_the_folder()
        return _said(
            Failure(
                ExitCode.USAGE,
                "folder_is_gone",
                f"the folder this shell stands in, {where}, does not exist any more",
                fix="cd to a folder that is there",
            )
        )
    message = f"{type(error).__name__}: {error}"
    hint(f"error: {message}")
    if WORK_DONE.deeds:
        hint("the command broke after what is told below")
    else:
        hint("nothing is known; BOOKPAY_TRACEBACK=1 shows where it failed")
    return Ending(ExitCode.UNKNOWN, Failure(ExitCode.UNKNOWN, "tool_failed", message))


def _name_of_the_folder() -> str:
    """The kernel's name for it, which a shell between us and the user may have forgotten."""
    return os.readlink("/proc/self/cwd").removesuffix(" (deleted)")


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _said(failure: Failure) -> Ending:
    hint(f"error: {failure.message}")
    if failure.fix:
        hint(f"fix: {failure.fix}")
    return Ending(failure.code, failure)


def _print_document(out: Stream, wanted: str | None, ending: Ending) -> None:
    """Let go of the document that was held; a command without one gets one that says why."""
    streamed = wanted is not None and not out.is_held
    text = out.release() if out.is_held else ""
    failure = ending.failure
    if failure is None and ending.code != ExitCode.PASS and not text.strip():
        code = ExitCode(ending.code)
        failure = Failure(code, REASONS[code], REASONS[code].replace("_", " "))
    if wanted is None or failure is None:
        out.write(text)
    elif not (streamed and out.wrote):
        print_line(_rendered(failure, wanted, one_line=streamed))


def _rendered(failure: Failure, wanted: str, *, one_line: bool) -> str:
    if wanted == "junit":
        from bookpayctl.report.junit import junit_failure

        return junit_failure(failure.code, failure.reason, failure.message, failure.fix)
    return failure_document(failure).to_json(one_line=one_line)


def _code_after_printing(out: Stream, ending: Ending, *, kept: bool) -> int:
    """The code of the work; on stderr, what stdout did not take.

    Args:
        kept: what was to be printed is a document that is kept, not read as it comes.
    """
    failed_after_deeds = ending.failure is not None and WORK_DONE.deeds
    if out.lost is not None and (WORK_DONE.deeds or not out.reader_left):
        hint(f"stdout took no answer: {out.lost}; the exit code is that of the work")
    if out.lost is not None or failed_after_deeds:
        for deed in WORK_DONE.deeds:
            hint(f"done: {deed}")
    by_choice = out.was_closed or out.reader_left
    if out.lost is not None and not by_choice and kept and WORK_DONE.answer_is_the_work:
        return int(worst([ExitCode(ending.code), ExitCode.UNKNOWN]))
    return int(ending.code)


@contextmanager
def _terminable() -> Iterator[None]:
    """TERM and HUP end a command as Ctrl-C does, so that it can say so and clean up.

    What lasts long in a library is broken off by each of them. What the caller had ignored, as
    nohup does, stays ignored.
    """
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in STOPPING}
    ours = {number: handler for number, handler in before.items() if handler in usual}
    for number in ours:
        signal.signal(number, stop_now)
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def main() -> None:
    """Run what was typed; ends the process with one of the documented exit codes."""
    sys.exit(run(sys.argv[1:]))
