"""The report of a command that refused to begin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bookpayctl.report import ExitCode, Report

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment


def refused_report(kind: str, environment: Environment, reason: str) -> Report:
    """A report without answers whose code is REFUSED and whose context says why."""
    return Report(
        kind=kind,
        context={
            "environment": environment.name,
            "target": environment.target,
            "refused": reason,
        },
        items=(),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_seconds=0.0,
        each_must_answer=True,
        incidents=(ExitCode.REFUSED,),
    )
