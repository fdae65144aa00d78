"""What happened to the orders that answers name: each one's timeline across the three ledgers.

Asked of a run's recorded ledgers by SQL (`timeline.sql`), so that it can be told without a stack.
Which orders: those of which an id stands in the evidence of an answer that is not well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from bookpayctl.judge.evaluation import shown
from bookpayctl.judge.ledgers.store import LedgerConnection, quoted
from bookpayctl.report.verdict import Item, Verdict

TIMELINES_MAX: Final = 12
LINES_MAX: Final = 120
"""Of one timeline; a payment that was tried for a day has thousands."""

NAMED_MAX: Final = 2_000
"""Words of evidence that are looked up; a report that names more has more than can be told."""

LEDGERS: Final = ("PostgreSQL", "Kafka", "Stripe")

# Worst first; what holds names nobody who did wrong.
_TOLD: Final = (Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.WARNING)

# Ids as their owners write them: ord_..., pi_..., UUIDs, topics with a key after a colon.
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{4,99}")

_OWNERS: Final = (
    "SELECT order_id AS id, order_id FROM orders",
    "SELECT client_key, order_id FROM orders",
    "SELECT event_id, order_id FROM outbox",
    "SELECT event_id, order_id FROM payments",
    "SELECT payment_intent_id, order_id FROM payments",
    "SELECT payment_intent_id, order_id FROM stripe_payment_intents",
    *(
        f"SELECT x.{name}, coalesce(i.order_id, p.order_id) FROM {table} AS x"
        f" LEFT JOIN stripe_payment_intents AS i ON i.payment_intent_id = x.{intent}"
        f" LEFT JOIN payments AS p ON p.payment_intent_id = x.{intent}"
        for table, name, intent in (
            ("stripe_charges", "charge_id", "payment_intent_id"),
            ("stripe_refunds", "stripe_refund_id", "payment_intent_id"),
            ("stripe_disputes", "stripe_dispute_id", "payment_intent_id"),
            ("webhooks", "stripe_event_id", "object_id"),
            ("stripe_events", "stripe_event_id", "object_id"),
        )
    ),
)
"""Which order each id belongs to, whoever wrote the id."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One thing that a ledger says of an order; `at` is None where it has no time for it."""

    at: datetime | None
    ledger: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class OffenderTimeline:
    """One order's timeline, in time; lines without a time come last.

    Attributes:
        named_by: ids of the answers that name it, the worst first.
        left_out: lines there are beyond these.
    """

    order_id: str
    named_by: tuple[str, ...]
    lines: tuple[LedgerEntry, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class OffenderTimelines:
    """The timelines that are told, and all orders that answers name, worst first."""

    told: tuple[OffenderTimeline, ...]
    offenders: tuple[str, ...]


def timelines_of(connection: LedgerConnection, items: Iterable[Item]) -> OffenderTimelines:
    """Tell the timelines of the orders that the answers name.

    Raises:
        StoreError: the ledgers could not be asked.
    """
    named = _named(connection, items)
    chosen = list(named)[:TIMELINES_MAX]
    lines = _lines(connection, chosen)
    told = tuple(
        OffenderTimeline(
            order_id,
            tuple(named[order_id]),
            tuple(lines.get(order_id, [])[:LINES_MAX]),
            max(0, len(lines.get(order_id, [])) - LINES_MAX),
        )
        for order_id in chosen
    )
    wrong = {item.id for item in items if item.verdict is Verdict.VIOLATED}
    return OffenderTimelines(told, tuple(name for name, ids in named.items() if wrong & set(ids)))


def _named(connection: LedgerConnection, items: Iterable[Item]) -> dict[str, list[str]]:
    """For each order that an answer names, which answers do; orders of the worst answers first."""
    not_well = sorted(
        (item for item in items if item.verdict in _TOLD),
        key=lambda item: _TOLD.index(item.verdict),
    )
    words: dict[str, list[str]] = {}
    for item in not_well:
        for text in (*item.evidence, item.observed, item.fix):
            for word in _WORD.findall(text):
                ids = words.setdefault(word, []) if len(words) < NAMED_MAX else words.get(word, [])
                if item.id not in ids:
                    ids.append(item.id)
    if not words:
        return {}
    listed = ", ".join(f"({quoted(word)})" for word in words)
    owners = " UNION ".join(
        f"SELECT id, order_id FROM ({asked}) AS owner(id, order_id)"
        " WHERE id IN (SELECT word FROM words)"
        for asked in _OWNERS
    )
    found = dict[str, list[str]]()
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE words AS SELECT * FROM (VALUES {listed}) AS given(word)"
    )
    for word, order_id in connection.execute(owners).fetchall():
        if order_id:
            ids = found.setdefault(order_id, [])
            ids += [name for name in words[word] if name not in ids]
    places = {item.id: number for number, item in enumerate(not_well)}
    for ids in found.values():
        ids.sort(key=places.__getitem__)
    return dict(sorted(found.items(), key=lambda entry: (places[entry[1][0]], entry[0])))


def _lines(connection: LedgerConnection, order_ids: list[str]) -> dict[str, list[LedgerEntry]]:
    if not order_ids:
        return {}
    listed = ", ".join(f"({quoted(order_id)})" for order_id in order_ids)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE told AS SELECT * FROM (VALUES {listed}) AS given(order_id)"
    )
    connection.execute(files(__package__).joinpath("timeline.sql").read_text(encoding="utf-8"))
    found: dict[str, list[LedgerEntry]] = {}
    # Stripe's clock shows whole seconds: what it dates is put behind what others date within them.
    rows = connection.execute(
        "SELECT * FROM (SELECT DISTINCT * FROM timeline) AS once ORDER BY order_id,"
        " happened_at + CASE ledger WHEN 'Stripe' THEN INTERVAL 999 MILLISECOND"
        " ELSE INTERVAL 0 MILLISECOND END NULLS LAST, ledger, what, detail"
    ).fetchall()
    for order_id, at, ledger, what, detail in rows:
        moment = at.replace(tzinfo=UTC) if at is not None else None
        line = LedgerEntry(moment, ledger, what or "", shown(detail or ""))
        found.setdefault(order_id, []).append(line)
    return found
