"""The audit: three ledgers, two looks, every invariant, one verdict.

Looks until two consecutive ones agree on everything up to the cut-off, puts them side by side as
files, and judges those files. If they never agree before the deadline the system was still moving
and the audit is unknown, whatever the last look seemed to say. No orders before the cut-off is
vacuous, not a pass.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from bookpayctl.judge import evaluation
from bookpayctl.judge.agreement import digests, whole_digest
from bookpayctl.judge.ledgers import manifest
from bookpayctl.judge.ledgers.store import LedgerConnection, open_folder, opened
from bookpayctl.judge.looks import LedgerLook, Observer, Stack, side_by_side
from bookpayctl.judge.rows import History
from bookpayctl.judge.rules import rules, rules_sha256
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.money import shown_sums
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import Run

# Orders younger than this are left to finish before they are judged.
DEFAULT_AGE_SECONDS: Final = 10.0
DEFAULT_DEADLINE_SECONDS: Final = 60.0

# Long enough for one publisher poll and one consumer poll to show between the looks.
BETWEEN_LOOKS_SECONDS: Final = 2.0

AGREEMENT_TITLE: Final = "two looks agree"
AGREEMENT_REQUIRED: Final = "two looks at the three ledgers have one digest up to the cut-off"

LEDGERS_DIR: Final = "ledgers"
LEDGERS_KEPT: Final = "ledgers_kept"
"""Line of the run's journal that has the SHA-256 of the manifest."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What to audit.

    Attributes:
        cut_off: judge orders created before this; None means those older than `age_seconds`.
        history: what the clients of one run saw; None skips I01 and I02.
        run: keeps the ledgers, so that they can be judged again; None keeps none.
    """

    stack: Stack
    age_seconds: float = DEFAULT_AGE_SECONDS
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    cut_off: datetime | None = None
    history: History | None = None
    strict: bool = False
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class _Looks:
    earlier: LedgerLook
    later: LedgerLook
    cut_off: datetime
    digest: str
    agree: bool
    taken: int


def audit(request: AuditRequest, observe: Observer) -> Report:
    """Judge the environment.

    Raises:
        DatabaseError: our own books could not be read at all.
        OSError, StoreError: the ledgers could not be kept.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    with ExitStack() as held:
        root = _place(request.run, held)
        connection = held.enter_context(opened(root))
        looks = _look_until_they_agree(request, connection, root, observe)
        folder = root / LEDGERS_DIR
        side_by_side(
            request.stack,
            connection,
            looks.earlier,
            looks.later,
            cut_off=looks.cut_off,
            history=request.history,
            folder=folder,
        )
        _forget_looks(connection, root)
        open_folder(connection, folder)
        manifest.write_manifest(
            connection,
            folder,
            root / manifest.FILE,
            rules_sha256=rules_sha256(),
            sources={**request.stack.sources(looks.later.moment), "duckdb": duckdb.__version__},
        )
        if request.run is not None:
            request.run.journal(LEDGERS_KEPT, sha256=manifest.sha256_of(root / manifest.FILE))
        report = _judged(request, connection, looks, observe)
    return replace(
        report,
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
    )


def _place(run: Run | None, held: ExitStack) -> Path:
    """Where the ledgers lie: in the run, or where nobody keeps them."""
    if run is not None:
        return run.path
    return Path(held.enter_context(tempfile.TemporaryDirectory(prefix="bookpay-audit-")))


def _judged(
    request: AuditRequest, connection: LedgerConnection, looks: _Looks, observe: Observer
) -> Report:
    evaluation.prepare(connection)
    judged, ahead = _counted(connection)
    observe(f"judging {judged} orders")
    notes = evaluation.left_out(connection) if evaluation.is_mapped(connection) else ()
    answers = evaluation.judge(connection)
    probes = _one(connection, "SELECT COUNT(DISTINCT id) FROM probes WHERE kind = 'client_key'")
    return Report(
        kind="AuditReport",
        context={
            **request.stack.context(),
            "cut_off": looks.cut_off.isoformat(timespec="milliseconds"),
            "judged_orders": str(judged),
            "probes_excluded": str(probes),
            "excused": "; ".join(
                f"{item.id} {line}" for item in answers for line in excuses_of(item)
            ),
        },
        items=(_agreement(looks, request, _ledger_sizes(connection), ahead=ahead), *answers),
        started_at="",
        duration_seconds=0.0,
        each_must_answer=False,
        strict=request.strict,
        incidents=() if judged else (ExitCode.VACUOUS,),
        run_dir=None if request.run is None else str(request.run.path),
        notes=(*looks.later.notes, *notes),
    )


def excuses_of(item: Item) -> list[str]:
    """What an answer left out because another ledger accounts for it."""
    return [p for p in item.observed.split(", ") if p.startswith(evaluation.EXCUSED_WORD)]


def _look_until_they_agree(
    request: AuditRequest, connection: LedgerConnection, root: Path, observe: Observer
) -> _Looks:
    give_up_at = time.monotonic() + request.deadline_seconds
    rest = request.stack.settle(deadline_seconds=request.deadline_seconds)
    observe(f"looking twice; {rest}")
    # Told before the first ledger is read: what came in before the cut-off, Stripe then knows.
    now = request.stack.read_clock()
    cut_off = request.cut_off or now - timedelta(seconds=request.age_seconds)
    earlier = request.stack.look(connection, root / "look-1", observe)
    taken = 1
    while True:
        time.sleep(BETWEEN_LOOKS_SECONDS)
        later = request.stack.look(connection, root / f"look-{taken + 1}", observe)
        taken += 1
        read_at = later.moment.read_at
        parts = [
            digests(connection, look.folder, name, cut_off=cut_off, read_at=read_at)
            for name, look in (("earlier", earlier), ("later", later))
        ]
        moved = sorted(part for part in parts[0] if parts[0][part] != parts[1][part])
        behind = _partitions_behind(connection)
        if (not moved and not behind) or time.monotonic() >= give_up_at:
            return _Looks(
                earlier, later, cut_off, whole_digest(parts[1]), agree=not moved, taken=taken
            )
        observe(
            f"look {taken} differs from the one before in {', '.join(moved)}"
            if moved
            else f"{behind} partitions are not read to their end yet"
        )
        shutil.rmtree(earlier.folder)
        earlier = later


def _partitions_behind(connection: LedgerConnection) -> int:
    """How many partitions the groups had not read to the end that the earlier look saw."""
    drained = next(rule for rule in rules() if rule.id == "I09")
    connection.execute("CREATE VIEW log_partitions AS SELECT * FROM earlier.log_partitions")
    connection.execute("CREATE VIEW log_groups AS SELECT * FROM later.log_groups")
    try:
        return sum(1 for _ in evaluation.all_of(connection, drained))
    finally:
        connection.execute("DROP VIEW log_partitions")
        connection.execute("DROP VIEW log_groups")


def _forget_looks(connection: LedgerConnection, root: Path) -> None:
    """What two looks left beside the ledgers that were taken from them."""
    for name in ("earlier", "later"):
        connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    for folder in root.glob("look-*"):
        shutil.rmtree(folder)


def _counted(connection: LedgerConnection) -> tuple[int, int]:
    """How many orders are judged, and how many of them are dated ahead of the clock."""
    return (
        int(_one(connection, "SELECT COUNT(*) FROM judged_orders")),
        int(
            _one(
                connection,
                "SELECT COUNT(*) FROM judged_orders AS o CROSS JOIN judgement AS j"
                " WHERE o.created_at IS NULL OR o.created_at > j.ahead_from",
            )
        ),
    )


def _agreement(looks: _Looks, request: AuditRequest, sizes: tuple[str, ...], *, ahead: int) -> Item:
    if not looks.agree:
        item = unanswered(
            "I00",
            AGREEMENT_TITLE,
            AGREEMENT_REQUIRED,
            f"{looks.taken} looks in {request.deadline_seconds:.0f} s and no two alike: the stack"
            " was still moving, so what follows is not a verdict about one moment",
        )
        return replace(item, fix="bookpayctl status; then audit again when it is at rest")
    return Item(
        id="I00",
        title=AGREEMENT_TITLE,
        verdict=Verdict.HOLDS,
        required=AGREEMENT_REQUIRED,
        observed=f"looks {looks.taken - 1} and {looks.taken} agree: sha256 {looks.digest[:16]}",
        examined=2,
        evidence=(*sizes, *_dated_ahead(ahead)),
    )


def _dated_ahead(count: int) -> tuple[str, ...]:
    """Dates that have not come yet put nothing off, and are odd enough to be told."""
    return (
        (f"{count} orders are dated ahead of the clock, or at no time; they were judged",)
        if count
        else ()
    )


def _ledger_sizes(connection: LedgerConnection) -> tuple[str, ...]:
    """How much each ledger held, so that a reader sees what the verdict rests on."""
    absent = evaluation.absences(connection)

    def count(table: str) -> int:
        return int(_one(connection, f"SELECT COUNT(*) FROM {table}"))

    sizes = [
        (
            f"PostgreSQL: {count('orders')} orders, {count('payments')} payments,"
            f" {count('outbox')} events, {count('webhooks')} webhooks"
        )
    ]
    if "log_records" not in absent:
        records, partitions = count("log_records"), count("log_partitions")
        sizes.append(f"Kafka: {records} records in {partitions} partitions")
    if "stripe_charges" not in absent:
        took = connection.execute(
            "SELECT COUNT(*), SUM(amount), currency FROM stripe_charges"
            " WHERE status = 'succeeded' GROUP BY currency"
        ).fetchall()
        charges = sum(row[0] for row in took)
        money = shown_sums((int(row[1] or 0), row[2] or "") for row in took)
        asked = "" if "stripe_requests" in absent else f", {count('stripe_requests')} requests"
        sizes.append(
            f"Stripe: {charges} succeeded charges of {money},"
            f" {count('stripe_refunds')} refunds{asked}"
        )
    return tuple(sizes)


def _one(connection: LedgerConnection, question: str) -> Any:
    row = connection.execute(question).fetchone()
    return row[0] if row else 0
