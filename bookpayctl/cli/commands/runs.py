"""`runs`: what this tool did in an environment, as it lies on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bookpayctl.cli.options import NameOption, OutputOption, recorded_environment
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    did,
    fail,
    hint,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.cli.recorded import RunArgument, run_folder
from bookpayctl.cli.run_documents import pruned, run_difference, run_list, run_shown
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.text import printable, shown_size

if TYPE_CHECKING:
    from bookpayctl.runs.listing import ListedRun
    from bookpayctl.runs.pruning import PrunedRun

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would go, delete nothing.")]


def list_runs(
    name: NameOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Every run of an environment, newest first, with what it came to.

    Asks no stack. What is no run, or cannot be read, is listed as that.

    Example: bookpayctl runs list
    """
    from bookpayctl.runs.listing import listed_runs

    found = listed_runs(recorded_environment(name).runs_dir)
    if output is OutputFormat.JSON:
        print_json(run_list(found[:limit], total=len(found)))
        return
    print_table(
        ("run", "kind", "when", "took", "verdict", "exit", "faults", "size"),
        [_row(run) for run in found[:limit]],
    )
    if len(found) > limit:
        hint(f"{len(found) - limit} older ones are not shown; --limit shows more")


def show(
    run: RunArgument, name: NameOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """One run: how it ended, what it did and when, what it left and what is still to be undone.

    Example: bookpayctl runs show latest
    """
    from bookpayctl.runs.directory import JOURNAL_FILE, read_lines
    from bookpayctl.runs.listing import RunState, described
    from bookpayctl.runs.marks import marks_of

    with run_folder(run, name) as folder:
        found = described(folder.resolve(), named=False)
        if found.state is RunState.FOREIGN:
            fail(f"{folder} is no run: {found.why}", ExitCode.USAGE)
        if found.state is RunState.UNREADABLE:
            fail(f"run {found.run_id} cannot be read: {found.why}", ExitCode.UNKNOWN)
        marks = marks_of(read_lines(folder / JOURNAL_FILE))
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if output is OutputFormat.JSON:
        print_json(run_shown(found, marks, files))
        return
    for label, value in _facts(found):
        print_line(f"{label:<9} {value}")
    print_line()
    print_table(
        ("at", "what", "event", "to", "detail"),
        [
            (m.at.isoformat(timespec="milliseconds"), m.kind, m.event, printable(m.subject),
             printable(m.detail)) for m in marks
        ],
    )  # fmt: skip


def diff(
    before: RunArgument,
    after: RunArgument,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Where two runs do not agree: verdicts, how much was examined, faults, versions, rules.

    Exit 0 whether they differ or not: which of them is right is not asked here.

    Example: bookpayctl runs diff 20261129-101500-audit-3f2a 20261129-103000-audit-77c1
    """
    with run_folder(before, name) as folder:
        one, items_one, facts_one = _compared(folder)
    with run_folder(after, name) as folder:
        two, items_two, facts_two = _compared(folder)
    from bookpayctl.report.difference import difference

    found = difference(items_one, items_two, facts_one, facts_two)
    if output is OutputFormat.JSON:
        print_json(run_difference(one, two, found))
        return
    rows = [
        *(("verdict", c) for c in found.verdicts),
        *(("examined", c) for c in found.examined),
        *(("about", c) for c in found.facts),
    ]
    print_table(
        ("what", "of", one, two, "title"),
        [(what, c.name, printable(c.before), printable(c.after), c.title) for what, c in rows],
    )


def prune(
    name: NameOption = None,
    keep: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The newest N stay, however old.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Only what began longer ago, e.g. 720h.")
    ] = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Delete old runs; of two limits a run has to pass both.

    What still has something to be undone, or is still at work, or is no run that can be read, stays
    whatever was asked. What runs made on purpose is remembered, so that no audit judges it.

    Example: bookpayctl runs prune --keep 20 --older-than 720h --dry-run
    """
    from bookpayctl.cli.durations import duration_of
    from bookpayctl.runs.listing import listed_runs
    from bookpayctl.runs.pruning import chosen, delete, finish_deleting

    if keep is None and older_than is None:
        fail("say what stays: --keep N, --older-than DURATION, or both", ExitCode.USAGE)
    seconds = None if older_than is None else duration_of(older_than, "--older-than")
    runs_dir = recorded_environment(name).runs_dir
    judged = chosen(
        listed_runs(runs_dir), now=datetime.now(UTC), keep=keep, older_than_seconds=seconds
    )
    deleted: list[PrunedRun] = []
    if not dry_run:
        finish_deleting(runs_dir)
        for one in judged:
            if one.goes:
                deleted.append(delete(one.run, runs_dir))
                did(f"{one.run.run_id}: {deleted[-1].error or 'deleted'}")
    document = pruned(judged, deleted, dry_run=dry_run)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        _print_pruned(document)
    leave(document.code)


def _print_pruned(document: Document) -> None:
    body = document.body
    word = "would go" if body["dry_run"] else "deleted"
    print_table(
        ("run", "result", "size", "why"),
        [
            (
                entry["run"],
                word
                if entry["deleted" if not body["dry_run"] else "would_be_deleted"]
                else "stays",
                shown_size(entry["size_bytes"]),
                printable(entry["why"]),
            )
            for entry in body["runs"]
        ],
    )
    goes = sum(e["size_bytes"] for e in body["runs"] if e["would_be_deleted"])
    freed = goes if body["dry_run"] else body["freed_bytes"]
    hint(f"{shown_size(freed)} {'would be' if body['dry_run'] else 'were'} freed")


def _compared(folder: Path) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A run's name, its items by id, and what else two runs are compared by; exit 3 without."""
    from bookpayctl.judge.ledgers import manifest
    from bookpayctl.report.verdict import item_of
    from bookpayctl.runs.directory import REPORT_FILE
    from bookpayctl.runs.listing import RunState, described

    run = described(folder.resolve(), named=False)
    if run.state is RunState.FOREIGN:
        fail(f"{folder} is no run: {run.why}", ExitCode.USAGE)
    try:
        document = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        items = {item.id: item for item in map(item_of, document["items"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"run {folder.name} has no report to compare: {error!r}", ExitCode.UNKNOWN)
    facts = {
        "kind": run.kind,
        "exit": f"{run.code} ({run.reason})",
        "faults": ", ".join(run.faults) or "none",
    }
    try:
        recorded = manifest.read_manifest(folder / manifest.FILE)
    except manifest.ManifestError:
        return run.run_id, items, facts
    sources = {f"source {name}": text for name, text in recorded.sources.items()}
    return run.run_id, items, {**facts, "rules": recorded.rules_sha256[:16], **sources}


def _row(run: ListedRun) -> tuple[str, ...]:
    began_at = run.began_at.isoformat(sep=" ", timespec="seconds")[:19] if run.began_at else "-"
    took = "-" if run.took_seconds is None else f"{run.took_seconds:.1f}s"
    faults = ", ".join(run.faults) or "-"
    if run.why:
        faults = printable(run.why)
    elif run.pending:
        faults = f"{faults}; {len(run.pending)} not undone"
    return (
        printable(run.run_id),
        printable(run.kind) or "-",
        began_at,
        took,
        run.verdict or run.state.value.replace("_", " "),
        "-" if run.code is None else str(run.code),
        printable(faults),
        shown_size(run.size_bytes),
    )


def _facts(run: ListedRun) -> list[tuple[str, str]]:
    from bookpayctl.runs.listing import STATES

    said = "" if run.code is None else f"   exit {run.code} ({run.reason or run.verdict})"
    took = "" if run.took_seconds is None else f", took {run.took_seconds:.1f} s"
    began_at = run.began_at.isoformat(timespec="milliseconds") if run.began_at else "unknown"
    return [
        ("run", printable(run.run_id)),
        ("kind", printable(run.kind)),
        ("state", f"{run.state.value.replace('_', ' ')}: {STATES[run.state]}"),
        ("began", f"{began_at}{took}"),
        ("verdict", f"{run.verdict or '-'}{said}"),
        ("faults", printable(", ".join(run.faults)) or "none"),
        ("to undo", printable(", ".join(run.pending)) or "nothing"),
        ("folder", f"{run.path}   {shown_size(run.size_bytes)}"),
    ]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Runs of this tool on disk: list, show, compare, delete.", no_args_is_help=True
    )
    group.command("list")(list_runs)
    group.command("show")(show)
    group.command("diff")(diff)
    group.command("prune")(prune)
    app.add_typer(group, name="runs")
