"""Shadow mode from outside: v1's outcomes brought in, and how far ours agree with them.

Parsing and judging are pure; `store` and `read` are the shell around them. Parity is claimed only
of payments for which both sides have a final word: a report that compared nothing says so.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from bookpayctl.clients.database import Connection
from bookpayctl.report.exit_code import ExitCode
from runtime.domain.names import EventType

FIELDS: Final = ("event_id", "order_id", "outcome", "payment_intent_id", "code")
ERRORS_SHOWN_MAX: Final = 20


class ImportRefusedError(ValueError):
    """The file cannot be taken as it is; nothing of it was stored. One reason per line."""

    def __init__(self, reasons: Sequence[str]) -> None:
        shown = list(reasons[:ERRORS_SHOWN_MAX])
        if len(reasons) > len(shown):
            shown.append(f"and {len(reasons) - len(shown)} more")
        super().__init__("\n".join(shown))


# --- v1's outcomes --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class V1Row:
    """One line of v1's: which order, and how its payment ended.

    Attributes:
        line: in the file, counted from 1, for messages.
    """

    line: int
    event_id: UUID | None
    order_id: str | None
    outcome: str
    payment_intent_id: str | None
    code: str | None


def parse(text: str) -> list[V1Row]:
    """Read JSON Lines (the first character is `{`) or CSV with a header.

    Raises:
        ImportRefusedError: any line is wrong; every wrong line is named.
    """
    rows: list[V1Row] = []
    wrong: list[str] = []
    for line, fields in _documents(text, wrong):
        reason = _fault(fields)
        if reason is not None:
            wrong.append(f"line {line}: {reason}")
            continue
        event_id = fields.get("event_id")
        rows.append(
            V1Row(
                line,
                UUID(event_id) if event_id else None,
                fields.get("order_id") or None,
                fields["outcome"],
                fields.get("payment_intent_id") or None,
                fields.get("code") or None,
            )
        )
    wrong.extend(_twice(rows))
    if wrong:
        raise ImportRefusedError(wrong)
    return rows


def _documents(text: str, wrong: list[str]) -> Iterable[tuple[int, dict[str, str]]]:
    if text.lstrip("\ufeff \n\r\t").startswith("{"):
        for line, raw in enumerate(text.splitlines(), 1):
            if not raw.strip():
                continue
            try:
                document = json.loads(raw)
            except ValueError as error:
                wrong.append(f"line {line}: not JSON: {error}")
                continue
            if not isinstance(document, dict):
                wrong.append(f"line {line}: not an object")
                continue
            yield line, {key: str(value) for key, value in document.items() if value is not None}
        return
    reader = csv.DictReader(text.lstrip("\ufeff").splitlines())
    for fields in reader:
        if None in fields:
            wrong.append(f"line {reader.line_num}: more columns than the header")
            continue
        yield reader.line_num, {key: value for key, value in fields.items() if value}


def _fault(fields: dict[str, str]) -> str | None:
    """What is wrong with one line; None when nothing is."""
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        return f"unknown field {unknown[0]!r}; known: {', '.join(FIELDS)}"
    if not fields.get("event_id") and not fields.get("order_id"):
        return "needs event_id or order_id"
    try:
        UUID(fields.get("event_id") or "0" * 32)
    except ValueError:
        return f"event_id {fields['event_id'][:50]!r} is not a UUID"
    match fields.get("outcome"):
        case "settled":
            intent = fields.get("payment_intent_id", "")
            return None if intent.startswith("pi_") else "settled needs payment_intent_id (pi_...)"
        case "declined":
            return None if fields.get("code") else "declined needs code"
        case other:
            return f"outcome {other!r} must be settled or declined"


def _twice(rows: Sequence[V1Row]) -> list[str]:
    seen: dict[object, int] = {}
    wrong = []
    for row in rows:
        name = row.event_id or row.order_id
        if name in seen:
            wrong.append(f"line {row.line}: {name} stands on line {seen[name]} already")
        seen.setdefault(name, row.line)
    return wrong


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an import: new outcomes, and those that were known already."""

    new: int
    known: int


def store(conn: Connection, rows: Sequence[V1Row]) -> Imported:
    """Store v1's outcomes in one transaction: all of them or none.

    Raises:
        ImportRefusedError: an order is not known, or v1 had said something else of a payment.
    """
    new = 0
    wrong: list[str] = []
    with conn.transaction():
        for row in rows:
            event_id = row.event_id or _root_of(conn, row.order_id or "")
            if event_id is None:
                wrong.append(f"line {row.line}: order {row.order_id!r} is not known here")
                continue
            outcome = _store_one(conn, event_id, row)
            new += outcome is True
            if outcome is None:
                wrong.append(f"line {row.line}: v1 had another outcome for {event_id}")
        if wrong:
            raise ImportRefusedError(wrong)
    return Imported(new, len(rows) - new)


def _root_of(conn: Connection, order_id: str) -> UUID | None:
    row = conn.execute(
        "SELECT coalesce((SELECT event_id FROM payments WHERE order_id = %(id)s),"
        " (SELECT event_id FROM orders WHERE id = %(id)s), (SELECT event_id FROM outbox"
        " WHERE aggregate_id = %(id)s AND event_type = %(placed)s LIMIT 1))",
        {"id": order_id, "placed": EventType.ORDER_PLACED.value},
    ).fetchone()
    return row[0] if row else None


def _store_one(conn: Connection, event_id: UUID, row: V1Row) -> bool | None:
    """True when it is new, False when the same was known, None when another was."""
    stored = conn.execute(
        "INSERT INTO shadow_comparisons AS known (event_id, v1_outcome, v1_payment_intent_id,"
        " v1_code, v1_source, v1_recorded_at)"
        " VALUES (%s, %s, %s, %s, 'import', clock_timestamp())"
        " ON CONFLICT (event_id) DO UPDATE SET v1_outcome = excluded.v1_outcome,"
        " v1_payment_intent_id = excluded.v1_payment_intent_id, v1_code = excluded.v1_code,"
        " v1_source = excluded.v1_source, v1_recorded_at = excluded.v1_recorded_at"
        " WHERE known.v1_outcome IS NULL RETURNING event_id",
        (event_id, row.outcome, row.payment_intent_id, row.code),
    ).fetchone()
    if stored is not None:
        return True
    same = conn.execute(
        "SELECT v1_outcome = %s AND v1_payment_intent_id IS NOT DISTINCT FROM %s"
        " AND v1_code IS NOT DISTINCT FROM %s FROM shadow_comparisons WHERE event_id = %s",
        (row.outcome, row.payment_intent_id, row.code, event_id),
    ).fetchone()
    return False if same and same[0] else None


# --- parity ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """One day's payments that v1 ended in one way.

    Attributes:
        agreed, differed: both sides have a final word.
        unresolved: v1 has one, our own call has none.
    """

    day: date
    v1_outcome: str
    agreed: int
    differed: int
    unresolved: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A payment on which the two sides disagree."""

    event_id: UUID
    order_id: str | None
    v1: str
    v2: str


@dataclass(frozen=True, slots=True)
class Parity:
    """The comparison as it stands.

    Attributes:
        waiting: payments whose outcome of v1's is not known yet.
        mismatches: the newest, not necessarily all.
    """

    days: tuple[DayOutcome, ...]
    waiting: int
    mismatches: tuple[Mismatch, ...]

    @property
    def compared(self) -> int:
        return sum(day.agreed + day.differed for day in self.days)

    @property
    def differed(self) -> int:
        return sum(day.differed for day in self.days)

    @property
    def unresolved(self) -> int:
        return sum(day.unresolved for day in self.days)

    @property
    def percent(self) -> float | None:
        """Of the compared; None when nothing was."""
        if not self.compared:
            return None
        return 100.0 * (self.compared - self.differed) / self.compared

    def exit(self) -> tuple[ExitCode, str]:
        """Below 100 % is a violation; nothing compared is no pass, and neither is a gap."""
        if self.differed:
            return ExitCode.VIOLATED, "parity_below_100"
        if self.unresolved:
            return ExitCode.UNKNOWN, "own_outcome_missing"
        if not self.compared:
            return ExitCode.VACUOUS, "nothing_compared"
        return ExitCode.PASS, "parity_100"


_V1: Final = "v1_outcome || coalesce(' ' || v1_code, '')"
_V2: Final = "v2_outcome || coalesce(' ' || v2_code, '')"
_FINAL: Final = "coalesce(v2_outcome, '') IN ('settled', 'declined', 'parked')"
_DAYS: Final = f"""
    SELECT created_at::date, v1_outcome,
           count(*) FILTER (WHERE {_FINAL} AND {_V1} = {_V2}),
           count(*) FILTER (WHERE {_FINAL} AND {_V1} <> {_V2}),
           count(*) FILTER (WHERE NOT {_FINAL})
    FROM shadow_comparisons
    WHERE v1_outcome IS NOT NULL AND (%(day)s::date IS NULL OR created_at::date = %(day)s)
    GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - built of constants
_MISMATCHES: Final = f"""
    SELECT event_id, order_id, {_V1}, {_V2}
    FROM shadow_comparisons LEFT JOIN payments USING (event_id)
    WHERE {_FINAL} AND {_V1} <> {_V2}
      AND (%(day)s::date IS NULL OR shadow_comparisons.created_at::date = %(day)s)
    ORDER BY shadow_comparisons.created_at DESC LIMIT %(limit)s
"""  # noqa: S608 - built of constants


def read(conn: Connection, *, day: date | None, limit: int) -> Parity:
    """The comparison from the database, of one day or of all."""
    values = {"day": day, "limit": limit}
    days = conn.execute(_DAYS, values).fetchall()
    waiting = conn.execute(
        "SELECT count(*) FROM shadow_comparisons WHERE v1_outcome IS NULL"
        " AND (%(day)s::date IS NULL OR created_at::date = %(day)s)",
        values,
    ).fetchone()
    mismatches = conn.execute(_MISMATCHES, values).fetchall()
    return Parity(
        tuple(DayOutcome(*row) for row in days),
        waiting[0] if waiting else 0,
        tuple(Mismatch(*row) for row in mismatches),
    )
