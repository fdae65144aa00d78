"""The folder of a run as an audit leaves it, made of facts that a test wrote by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from bookpayctl.judge import evaluation
from bookpayctl.judge.audit import AGREEMENT_REQUIRED, AGREEMENT_TITLE, LEDGERS_KEPT
from bookpayctl.judge.ledgers import manifest
from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.rules import rules_sha256
from bookpayctl.report.result import item_document
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
    run.journal("verdict", code=0)
    run.keep_report(json.dumps({"items": [item_document(item) for item in items]}))
    return run
