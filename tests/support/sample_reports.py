"""Reports with one item of every verdict, as tests of what is printed want them."""

from __future__ import annotations

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict

ITEMS = {
    "holds": Item(
        "BP-C001", "outbox table and partial index", Verdict.HOLDS, "the table", "as required",
        10, evidence=("index: outbox_unpublished_idx",), duration_ms=12,
    ),
    "warning": Item(
        "BP-C002", "three publishers", Verdict.WARNING, "3 alive", "2 alive", 2,
        fix="bookpayctl status",
    ),
    "skipped": Item(
        "BP-C003", "idempotency key", Verdict.SKIPPED, "every key", "not asked", 0,
        reason="skipped by --skip",
    ),
    "vacuous": Item(
        "BP-C004", "unsigned webhooks", Verdict.VACUOUS, "all refused", "nothing was sent", 0,
        fix="bookpayctl up",
    ),
    "unknown": Item(
        "BP-C005", "saga compensates", Verdict.UNKNOWN, "order cancelled",
        "could not be evaluated", 0, reason="the database does not answer", fix="bookpayctl doctor",
    ),
    "violated": Item(
        "BP-C006", "replay charges nobody", Verdict.VIOLATED, "0 new charges",
        "1 new charge <&> for ord_1\x00", 3, evidence=("ch_1 4999 usd",), fix="bookpayctl audit",
    ),
    "suppressed": Item(
        "BP-O005", "the topics keep their records", Verdict.VIOLATED, "7 d or more",
        "orders.paid: 3 d", 7, evidence=("orders.paid 3 d",), fix="bookpayctl explain I31",
        suppressed="until 2026-12-31: until the new *disks* are in",
    ),
}  # fmt: skip


def report_of(*names: str, incidents: tuple[ExitCode, ...] = ()) -> Report:
    return Report(
        kind="CheckReport",
        context={"environment": "golden", "target": "local"},
        items=tuple(ITEMS[name] for name in names),
        started_at="2026-11-22T12:00:00.000+00:00",
        duration_seconds=1.25,
        each_must_answer=True,
        strict=True,
        incidents=incidents,
    )
