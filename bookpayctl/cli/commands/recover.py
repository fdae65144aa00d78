"""`recover`: finish the undo of runs whose tool was killed."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, did, hint, leave, print_json, print_table
from bookpayctl.report.exit_code import ExitCode, worst


def recover(name: NameOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Put back what killed runs left changed. Harmless when there is nothing to do.

    A run whose tool is still alive is left to it.

    Example: bookpayctl recover --name shop
    """
    from bookpayctl.faults import undo
    from bookpayctl.runs import directory
    from bookpayctl.runs.interrupts import shielded
    from bookpayctl.targets.errors import ReservedError
    from bookpayctl.targets.platforms import open_target

    environment = environment_of(name)
    rows: list[tuple[str, str, str]] = []
    codes = [ExitCode.PASS]
    for left in directory.unrecovered(environment.runs_dir):
        if left.driver_alive:
            rows.append((left.run_id, "-", "still running; left to it"))
            codes.append(ExitCode.REFUSED)
            continue
        hint(f"recovering {left.run_id}")
        target = open_target(environment)
        try:
            # Shielded within: a wait for somebody else may be given up, an undo may not.
            with target.reserve(f"recover-{left.run_id}"), shielded():
                results = undo.undo_all(target, directory.resume(left.path))
        except ReservedError as reserved:
            rows.append((left.run_id, "-", str(reserved)))
            codes.append(ExitCode.REFUSED)
            continue
        for result in results:
            rows.append((left.run_id, result.entry.op, result.error or "undone"))
            did(f"{left.run_id}, {result.entry.op}: {result.error or 'undone'}")
            codes.append(ExitCode.DIRTY if result.error else ExitCode.PASS)
    code = worst(codes)
    if output is OutputFormat.JSON:
        print_json(recover_report(rows, code))
    elif rows:
        print_table(("run", "undo", "result"), rows)
    else:
        print_table(("run", "undo", "result"), [("none", "-", "nothing to recover")])
    leave(code)


def recover_report(rows: Sequence[tuple[str, str, str]], code: ExitCode) -> Document:
    """What was undone, as a document: run, operation and result of each."""
    entries = [{"run": run, "op": op, "result": result} for run, op, result in rows]
    reason = "recovered" if rows else "nothing_to_recover"
    return Document("RecoverReport", code, reason, {"entries": entries})


def register(app: typer.Typer) -> None:
    app.command("recover")(recover)
