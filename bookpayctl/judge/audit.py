"""The audit: three ledgers, two looks, every invariant, one verdict.

Looks until two consecutive ones agree on everything up to the cut-off, then judges. If they never
agree before the deadline the system was still moving and the audit is unknown, whatever the last
look seemed to say. No orders before the cut-off is vacuous, not a pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bookpayctl.judge import invariants, quiescence
from bookpayctl.judge.invariants.events import lagging_offsets
from bookpayctl.judge.readers.postgres import read_clock
from bookpayctl.judge.readers.runs import excluded
from bookpayctl.judge.rows import History
from bookpayctl.judge.snapshot import Snapshot, digest, facts_of, log_of, take_snapshot
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.money import shown_sums
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.targets.environment import Environment

# Orders younger than this are left to finish before they are judged.
DEFAULT_AGE_SECONDS: Final = 10.0
DEFAULT_DEADLINE_SECONDS: Final = 60.0

# Long enough for one publisher poll and one consumer poll to show between the looks.
BETWEEN_LOOKS_SECONDS: Final = 2.0

AGREEMENT_TITLE: Final = "two looks agree"
AGREEMENT_REQUIRED: Final = "two looks at the three ledgers have one digest up to the cut-off"

Observer = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What to audit.

    Attributes:
        cut_off: judge orders created before this; None means those older than `age_seconds`.
        history: what the clients of one run saw; None skips I01 and I02.
    """

    environment: Environment
    age_seconds: float = DEFAULT_AGE_SECONDS
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    cut_off: datetime | None = None
    history: History | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class _Looks:
    earlier: Snapshot
    later: Snapshot
    cut_off: datetime
    agree: bool
    taken: int


def audit(request: AuditRequest, observe: Observer) -> Report:
    """Judge the environment.

    Raises:
        DatabaseError: our own books could not be read at all.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    looks = _look_until_they_agree(request, observe)
    facts = facts_of(
        request.environment,
        looks.earlier,
        looks.later,
        cut_off=looks.cut_off,
        excluded=excluded(request.environment.runs_dir),
        history=request.history,
    )
    observe(f"judging {len(facts.judged)} orders")
    answers = invariants.judge(facts)
    items = (_agreement(looks, request, ahead=len(facts.dated_ahead)), *answers)
    return Report(
        kind="AuditReport",
        context={
            "environment": request.environment.name,
            "target": request.environment.target,
            "cut_off": looks.cut_off.isoformat(timespec="milliseconds"),
            "judged_orders": str(len(facts.judged)),
            "probes_excluded": str(len(facts.excluded.client_keys)),
            "stripe": request.environment.stripe_name,
            "excused": "; ".join(
                f"{item.id} {line}" for item in answers for line in _excuses(item)
            ),
        },
        items=items,
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=False,
        strict=request.strict,
        incidents=() if facts.judged else (ExitCode.VACUOUS,),
    )


def _excuses(item: Item) -> list[str]:
    """What an answer left out because another ledger accounts for it."""
    return [part for part in item.observed.split(", ") if part.startswith(invariants.EXCUSED)]


def _look_until_they_agree(request: AuditRequest, observe: Observer) -> _Looks:
    give_up_at = time.monotonic() + request.deadline_seconds
    rest = quiescence.wait_until_quiescent(
        request.environment, deadline_seconds=request.deadline_seconds
    )
    observe(f"looking twice; {rest.value.sentence()}")
    # Told before the first ledger is read: what came in before the cut-off, Stripe then knows.
    now = read_clock(request.environment.dsn)
    cut_off = request.cut_off or now - timedelta(seconds=request.age_seconds)
    earlier = take_snapshot(request.environment)
    taken = 1
    while True:
        time.sleep(BETWEEN_LOOKS_SECONDS)
        later = take_snapshot(request.environment)
        taken += 1
        read_at = later.database.read_at
        agree = digest(earlier, cut_off=cut_off, read_at=read_at) == digest(
            later, cut_off=cut_off, read_at=read_at
        )
        log = log_of(earlier, later)
        behind = len(lagging_offsets(log)) if log is not None else 0
        if (agree and not behind) or time.monotonic() >= give_up_at:
            return _Looks(earlier, later, cut_off, agree=agree, taken=taken)
        observe(
            f"{behind} partitions are not read to their end yet"
            if agree
            else f"look {taken} differs from the one before; something still moves"
        )
        earlier = later


def _agreement(looks: _Looks, request: AuditRequest, *, ahead: int) -> Item:
    if not looks.agree:
        item = unanswered(
            "I00",
            AGREEMENT_TITLE,
            AGREEMENT_REQUIRED,
            f"{looks.taken} looks in {request.deadline_seconds:.0f} s and no two alike: the stack"
            " was still moving, so what follows is not a verdict about one moment",
        )
        return replace(item, fix="bookpayctl status; then audit again when it is at rest")
    value = digest(looks.later, cut_off=looks.cut_off, read_at=looks.later.database.read_at)
    return Item(
        id="I00",
        title=AGREEMENT_TITLE,
        verdict=Verdict.HOLDS,
        required=AGREEMENT_REQUIRED,
        observed=f"looks {looks.taken - 1} and {looks.taken} agree: sha256 {value[:16]}",
        examined=2,
        evidence=(*_ledger_sizes(looks.later), *_dated_ahead(ahead)),
    )


def _dated_ahead(count: int) -> tuple[str, ...]:
    """Dates that have not come yet put nothing off, and are odd enough to be told."""
    return (f"{count} orders are dated ahead of the clock; they were judged",) if count else ()


def _ledger_sizes(look: Snapshot) -> tuple[str, ...]:
    """How much each ledger held, so that a reader sees what the verdict rests on."""
    books, log, stripe = look.database, look.log, look.stripe
    sizes = [
        (
            f"PostgreSQL: {len(books.orders)} orders, {len(books.payments)} payments,"
            f" {len(books.outbox)} events, {len(books.webhooks)} webhooks"
        )
    ]
    if log is not None:
        sizes.append(f"Kafka: {len(log.records)} records in {len(log.partitions)} partitions")
    if stripe is not None:
        took = [charge for charge in stripe.charges if charge.status == "succeeded"]
        requests = f", {len(stripe.requests)} requests" if stripe.requests is not None else ""
        money = shown_sums((charge.amount_cents, charge.currency) for charge in took)
        sizes.append(
            f"Stripe: {len(took)} succeeded charges of {money},"
            f" {len(stripe.refunds)} refunds{requests}"
        )
    return tuple(sizes)
