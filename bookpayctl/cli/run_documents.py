"""The documents of `runs`: what lies on disk, as values that JSON can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bookpayctl.cli.output import Document
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.report.difference import Difference
    from bookpayctl.runs.listing import ListedRun
    from bookpayctl.runs.marks import JournalMark
    from bookpayctl.runs.pruning import Judged, PrunedRun


def run_list(runs: Sequence[ListedRun], *, total: int) -> Document:
    """The runs as a document; `total` counts those that are not shown, too."""
    body = {"total": total, "runs": [_document(run) for run in runs]}
    return Document("RunList", ExitCode.PASS, "listed", body)


def run_shown(run: ListedRun, marks: Sequence[JournalMark], files: Sequence[str]) -> Document:
    """One run with its journal as a document."""
    journal = [
        {
            "at": mark.at.isoformat(timespec="milliseconds"),
            "kind": mark.kind.value,
            "event": mark.event,
            "subject": mark.subject,
            "detail": mark.detail,
        }
        for mark in marks
    ]
    body = {"run": _document(run), "journal": journal, "files": list(files)}
    return Document("Run", ExitCode.PASS, "shown", body)


def run_difference(before: str, after: str, found: Difference) -> Document:
    """Where two runs differ, as a document."""
    body = {
        "before": before,
        "after": after,
        "verdicts": [asdict(one) for one in found.verdicts],
        "examined": [asdict(one) for one in found.examined],
        "facts": [asdict(one) for one in found.facts],
    }
    return Document("RunDifference", ExitCode.PASS, "compared", body)


def pruned(judged: Sequence[Judged], deleted: Sequence[PrunedRun], *, dry_run: bool) -> Document:
    """What went and what stayed and why; UNKNOWN where one that was to go did not."""
    done = {one.run.run_id: one for one in deleted}
    entries = []
    for one in judged:
        result = done.get(one.run.run_id)
        error = result.error if result is not None else ""
        entries.append(
            {
                "run": one.run.run_id,
                "deleted": result is not None and not error,
                "would_be_deleted": one.goes,
                "why": error or one.why,
                "size_bytes": one.run.size_bytes,
            }
        )
    failed = any(one.error for one in deleted)
    reason = "could_not_delete" if failed else "planned" if dry_run else "pruned"
    body = {
        "dry_run": dry_run,
        "deleted": sum(1 for entry in entries if entry["deleted"]),
        "freed_bytes": sum(one.freed_bytes for one in deleted),
        "runs": entries,
    }
    return Document("RunsPruned", ExitCode.UNKNOWN if failed else ExitCode.PASS, reason, body)


def _document(run: ListedRun) -> dict[str, Any]:
    return {
        **asdict(run),
        "path": str(run.path),
        "state": run.state.value,
        "began_at": run.began_at.isoformat(timespec="milliseconds") if run.began_at else None,
        "faults": list(run.faults),
        "pending": list(run.pending),
    }
