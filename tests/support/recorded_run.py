"""The folder of a run as an audit leaves it, made of facts that a test wrote by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bookpayctl.cli.output import Document
from bookpayctl.judge import evaluation
from bookpayctl.judge.audit import AGREEMENT_REQUIRED, AGREEMENT_TITLE, LEDGERS_KEPT
from bookpayctl.judge.ledgers import manifest
from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.rules import rules_sha256
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from tests.support.shop_rows import Facts
from tests.support.shop_tables import rows_of

AGREED: Final = Item("I00", AGREEMENT_TITLE, Verdict.HOLDS, AGREEMENT_REQUIRED, "looks agree", 2)


def recorded(folder: Path, facts: Facts, rules: str = "") -> Run:
    """A run as an audit leaves it."""
    run = directory.begin(folder, "audit")
    run.journal("begin")
    with opened() as connection:
        ledgers = LedgerWriter(connection, run.path / "ledgers")
        for name, rows in rows_of(facts):
            with ledgers.sink(name) as sink:
                for row in rows:
                    sink.put(row)
            ledgers.keep(sink)
        open_folder(connection, ledgers.folder)
        path = run.path / manifest.FILE
        manifest.write_manifest(
            connection, ledgers.folder, path, rules_sha256=rules or rules_sha256(), sources={}
        )
        evaluation.prepare(connection)
        items = [AGREED, *evaluation.judge(connection)]
    run.journal(LEDGERS_KEPT, sha256=manifest.sha256_of(path))
    report = Report(
        kind="AuditReport",
        context={
            "environment": "shop",
            "target": "local",
            "stripe": "twin",
            "cut_off": "2026-11-22T12:00:00.000+00:00",
            "judged_orders": "3",
            "probes_excluded": "0",
        },
        items=tuple(items),
        started_at="2026-11-22T12:00:00.000+00:00",
        duration_seconds=1.25,
        each_must_answer=False,
        run_dir=str(run.path),
    )
    run.journal("verdict", verdict=report.verdict.value, code=int(report.code))
    run.keep_report(Document(report.kind, report.code, report.reason, report.body()).to_json())
    return run
