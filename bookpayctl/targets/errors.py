"""What a target says when it cannot do what it was asked, in terms every command understands."""

from __future__ import annotations

from bookpayctl.report.exit_code import ExitCode


class TargetError(RuntimeError):
    """A target could not do it; the message says what and why.

    Attributes:
        code: the exit code it means.
        reason: slug for programs.
        fix: what to do next, when one thing helps.
        aftermath: what was left behind, said after the message.
        part: the process that failed; empty when it is none.
        log: the last lines that process wrote.
    """

    code: ExitCode = ExitCode.UNKNOWN
    reason: str = "target_failed"
    fix: str = ""
    aftermath: str = ""
    part: str = ""
    log: tuple[str, ...] = ()


class NoSuchProcessError(TargetError):
    """The environment has no process of that name, or it does not run."""

    reason = "no_such_process"
    fix = "bookpayctl status"


class UnknownPlatformError(TargetError):
    """This build knows no platform of that name."""

    code = ExitCode.USAGE
    reason = "unknown_platform"


class ReservedError(TargetError):
    """Another run is at work in the environment; the message names it."""

    code = ExitCode.REFUSED
    reason = "another_run"
