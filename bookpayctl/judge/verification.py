"""A recorded audit judged again, from its folder alone, on any machine.

Nothing that was recorded is believed before it was held against what was written down of it: the
journal's chain names the manifest, the manifest every file and the rules. Only what stands as it
was written is judged again, and the verdicts have to come out as they were reported.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.judge import evaluation
from bookpayctl.judge.audit import LEDGERS_DIR, LEDGERS_KEPT
from bookpayctl.judge.ledgers import manifest as manifests
from bookpayctl.judge.ledgers.manifest import Manifest, ManifestError
from bookpayctl.judge.ledgers.store import StoreError, open_folder, opened
from bookpayctl.judge.rules import rules_sha256
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, item_of, unanswered
from bookpayctl.runs.directory import JOURNAL_FILE, REPORT_FILE, broken_links, read_lines

AGREEMENT_ID: Final = "I00"
WITH_CURRENT_RULES: Final = "--with-current-rules"

LISTED_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What a run's folder says of itself; None where it does not, with `reason`."""

    manifest: Manifest | None
    items: dict[str, Item] | None
    reason: str = ""
    why_no_items: str = ""


def verify(run_dir: Path, *, with_current_rules: bool, strict: bool = False) -> Report:
    """Judge a run's ledgers again.

    Args:
        with_current_rules: judge also where the rules are not those it was judged with, and say
            which verdicts differ.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    recorded = _recorded(run_dir)
    whole = [_journal(run_dir), _files(run_dir, recorded)]
    rules = _rules(recorded, with_current_rules=with_current_rules)
    items = [*whole, rules]
    judged = 0
    if all(item.verdict is Verdict.HOLDS for item in whole) and _may_judge(rules):
        answers, judged = _judged_again(run_dir)
        items += [_verdicts(recorded, answers, same=rules.verdict is Verdict.HOLDS)]
        items += [_agreement(recorded), *answers]
    return Report(
        kind="VerificationReport",
        context={
            "run": run_dir.name,
            "rules": rules_sha256(),
            "judged_orders": str(judged),
        },
        items=tuple(items),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=False,
        strict=strict,
        incidents=() if judged else (ExitCode.VACUOUS,),
    )


def evidence(run_dir: Path) -> list[Item]:
    """V01 and V02: whether what the run left is what it wrote; without ledgers V01 alone."""
    keeps = any((run_dir / name).exists() for name in (LEDGERS_DIR, manifests.FILE))
    if keeps or _names_a_manifest(run_dir):
        return [_journal(run_dir), _files(run_dir, _recorded(run_dir))]
    return [_journal(run_dir, of_ledgers=False)]


def _names_a_manifest(run_dir: Path) -> bool:
    path = run_dir / JOURNAL_FILE
    return path.is_file() and f'"{LEDGERS_KEPT}"' in path.read_text("utf-8", "replace")


def _may_judge(rules: Item) -> bool:
    return rules.verdict in (Verdict.HOLDS, Verdict.WARNING)


def _recorded(run_dir: Path) -> _Recorded:
    try:
        manifest = manifests.read_manifest(run_dir / manifests.FILE)
    except ManifestError as error:
        return _Recorded(None, None, reason=str(error))
    try:
        document = json.loads((run_dir / REPORT_FILE).read_text(encoding="utf-8"))
        items = {item.id: item for item in map(item_of, document["items"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _Recorded(manifest, None, why_no_items=f"{REPORT_FILE} cannot be read: {error}")
    return _Recorded(manifest, items)


def _journal(run_dir: Path, *, of_ledgers: bool = True) -> Item:
    """V01: the journal is the one that was written, and names the manifest that is there."""
    title, required = (
        "the journal is whole",
        "each line follows the one before, and one names the manifest",
    )
    if not of_ledgers:
        required = "each line follows the one before"
    path = run_dir / JOURNAL_FILE
    try:
        broken = broken_links(path)
        lines = [] if broken else list(read_lines(path))
        found = manifests.sha256_of(run_dir / manifests.FILE) if of_ledgers else ""
    except OSError as error:
        return unanswered("V01", title, required, f"a part is missing: {error}")
    named = [line.get("sha256") for line in lines if line.get("event") == LEDGERS_KEPT]
    if of_ledgers and not broken and not named:
        return unanswered("V01", title, required, "the journal names no manifest")
    if of_ledgers and not broken and named[-1] != found:
        broken = [f"{manifests.FILE} is not the file that the journal names"]
    return _item("V01", title, required, broken, len(lines), f"{len(lines)} lines in one chain")


def _files(run_dir: Path, recorded: _Recorded) -> Item:
    """V02: every ledger is the file that was written down."""
    title, required = "the ledgers are as written", "each file has the SHA-256 of the manifest"
    if recorded.manifest is None:
        return unanswered("V02", title, required, recorded.reason)
    tables = recorded.manifest.tables
    try:
        found = manifests.differences(recorded.manifest, run_dir / LEDGERS_DIR)
    except OSError as error:
        return unanswered("V02", title, required, f"the ledgers cannot be read: {error}")
    missing = [line for line in found if " is missing" in line]
    if missing and missing == found:
        return unanswered("V02", title, required, "; ".join(missing))
    rows = sum(table["rows"] for table in tables.values())
    return _item("V02", title, required, found, len(tables), f"{len(tables)} files, {rows} rows")


def _rules(recorded: _Recorded, *, with_current_rules: bool) -> Item:
    """V03: the rules are those that it was judged with."""
    title, required = "the rules are the recorded ones", "one SHA-256 over schema and rules"
    if recorded.manifest is None:
        return unanswered("V03", title, required, recorded.reason)
    then, now = recorded.manifest.rules_sha256, rules_sha256()
    if then == now:
        return Item("V03", title, Verdict.HOLDS, required, f"sha256 {now[:16]}", 1)
    words = f"recorded with sha256 {then[:16]}, this tool has {now[:16]}"
    if not with_current_rules:
        reason = f"{words}; {WITH_CURRENT_RULES} judges with this tool's and says what differs"
        return unanswered("V03", title, required, reason)
    return Item("V03", title, Verdict.WARNING, required, words, 1)


def _judged_again(run_dir: Path) -> tuple[list[Item], int]:
    """Every invariant's answer, and how many orders were judged."""
    with opened() as connection:
        try:
            open_folder(connection, run_dir / LEDGERS_DIR)
            evaluation.prepare(connection)
            row = connection.execute("SELECT COUNT(*) FROM judged_orders").fetchone()
        except StoreError as error:
            reason = f"the ledgers cannot be judged: {error}"
            return [unanswered("V05", "the ledgers can be judged", "Parquet", reason)], 0
        return evaluation.judge(connection), int(row[0]) if row else 0


def _verdicts(recorded: _Recorded, answers: Iterable[Item], *, same: bool) -> Item:
    """V04: the same comes out as was reported; with other rules, what does not."""
    title, required = "the verdicts come out again", "each invariant as it was reported"
    if recorded.items is None:
        return unanswered("V04", title, required, recorded.why_no_items)
    answered = list(answers)
    differing = [
        f"{item.id}: {_told(recorded.items.get(item.id))} was reported, now {_told(item)}"
        for item in answered
        if _told(recorded.items.get(item.id)) != _told(item)
    ]
    if differing and not same:
        seen = f"{len(differing)} of {len(answered)} verdicts differ with other rules"
        evidence = tuple(differing[:LISTED_MAX])
        return Item("V04", title, Verdict.WARNING, required, seen, len(answered), evidence)
    seen = f"{len(answered)} verdicts are as reported"
    return _item("V04", title, required, differing, len(answered), seen)


def _told(item: Item | None) -> str:
    return "nothing" if item is None else f"{item.verdict.value} over {item.examined}"


def _agreement(recorded: _Recorded) -> Item:
    """Whether two looks agreed cannot be seen again: it is as it was reported."""
    item = (recorded.items or {}).get(AGREEMENT_ID)
    if item is None:
        reason = "the report does not say whether two looks agreed"
        return unanswered(AGREEMENT_ID, "two looks agree", "as it was reported", reason)
    return item


def _item(
    item_id: str, title: str, required: str, broken: list[str], examined: int, seen: str
) -> Item:
    if broken:
        observed = f"{len(broken)} places are not as they were written"
        evidence = tuple(broken[:LISTED_MAX])
        return Item(
            item_id, title, Verdict.VIOLATED, required, observed, max(examined, 1), evidence
        )
    return Item(item_id, title, Verdict.HOLDS, required, seen, examined)
