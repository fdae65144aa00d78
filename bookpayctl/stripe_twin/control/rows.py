"""Rows of the ledger for the operator and the judge: oldest first, a page at a time.

No answer is longer than a page, and each says whether there is more: a judge that forgot to ask for
the next page would pass what it never saw. A request has its number from when it comes and its row
from when it is answered, so one that is under way while pages are read is in the next reading.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bookpayctl.stripe_twin.ledger.store import Column

# Runs a query; the functions here are called in a thread that has a connection of its own.
Select: TypeAlias = Callable[[str, Sequence[Column]], list[tuple[Column, ...]]]
Rows: TypeAlias = list[dict[str, object]]
Table: TypeAlias = Callable[[Select, Mapping[str, str]], Rows]

PAGE_ROWS_MAX = 5_000
"""A row is about a kilobyte as JSON; more of them gain nothing, and are held whole in memory."""

_REQUESTS = (
    "n, request_id, at, wall_at, account, method, path, idempotency_key, body_sha256, status, "
    "replayed, executed, original_request, object_id, code, flags, faults, env, event_id"
)
_EXECUTIONS = (
    "n, at, account, kind, amount, currency, payment_intent, charge, refund, idempotency_key, "
    "request_id, event_id, metadata"
)
_DELIVERIES = (
    "n, event_id, event_type, endpoint_id, attempt, at, wall_at, signed_at, outcome, status, "
    "seconds, answer, fault"
)
_HITS = "n, fault_id, action, at, wall_at, request_id, idempotency_key, path, event_id, object_id"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and whether there are more after the last of them."""

    rows: Rows
    has_more: bool


def page_of(table: Table, select: Select, query: Mapping[str, str]) -> Page:
    """The rows after `after`, at most `limit` of them and never more than a page.

    Raises:
        ValueError: a filter that is unknown, or a number that is none.
    """
    limit = min(int(query.get("limit", PAGE_ROWS_MAX)), PAGE_ROWS_MAX)
    if limit < 1:
        raise ValueError("limit must be at least 1")
    # One more than is shown tells whether there are more.
    found = table(select, {**query, "limit": str(limit + 1)})
    return Page(found[:limit], len(found) > limit)


def requests(select: Select, query: Mapping[str, str]) -> Rows:
    """The journal of requests; `delivered` is what became of the answer, null if unknown yet."""
    filters = {
        "key": "idempotency_key = ?",
        "path": "path = ?",
        "method": "method = ?",
        "event_id": "event_id = ?",
        "status": "status = ?",
        "account": "account = ?",
        "request_id": "request_id = ?",
        "flag": "instr(',' || flags || ',', ',' || ? || ',') > 0",
    }
    outcome = "(SELECT outcome FROM answers WHERE request_n = requests.n LIMIT 1)"
    page = _page(select, f"{_REQUESTS}, {outcome}", "requests", filters, query)
    names = [*_REQUESTS.split(", "), "delivered"]
    data = []
    for values in page:
        row: dict[str, object] = dict(zip(names, values, strict=True))
        row["replayed"] = bool(row["replayed"])
        row["executed"] = bool(row["executed"])
        row["flags"] = [flag for flag in str(row["flags"]).split(",") if flag]
        row["faults"] = [fault for fault in str(row["faults"]).split(",") if fault]
        data.append(row)
    return data


def executions(select: Select, query: Mapping[str, str]) -> Rows:
    """What was really executed. Money is taken by the kinds `charge` and `capture` only."""
    filters = {
        "key": "idempotency_key = ?",
        "event_id": "event_id = ?",
        "payment_intent": "payment_intent = ?",
        "charge": "charge = ?",
        "refund": "refund = ?",
        "kind": "kind = ?",
        "account": "account = ?",
    }
    page = _page(select, _EXECUTIONS, "executions", filters, query)
    data = []
    for values in page:
        row: dict[str, object] = dict(zip(_EXECUTIONS.split(", "), values, strict=True))
        row["metadata"] = json.loads(str(row["metadata"]))
        data.append(row)
    return data


def deliveries(select: Select, query: Mapping[str, str]) -> Rows:
    """Every attempt to deliver a webhook."""
    account = "(SELECT account FROM events WHERE events.id = delivery_attempts.event_id)"
    filters = {
        "event_id": "event_id = ?",
        "event_type": "event_type = ?",
        "endpoint_id": "endpoint_id = ?",
        "outcome": "outcome = ?",
        "fault": "fault = ?",
        "account": f"{account} = ?",
    }
    page = _page(select, f"{_DELIVERIES}, {account}", "delivery_attempts", filters, query)
    names = [*_DELIVERIES.split(", "), "account"]
    return [dict(zip(names, row, strict=True)) for row in page]


def fault_hits(select: Select, query: Mapping[str, str]) -> Rows:
    """Every time a fault acted; written before it did."""
    filters = {
        "fault_id": "fault_id = ?",
        "action": "action = ?",
        "request_id": "request_id = ?",
        "key": "idempotency_key = ?",
    }
    page = _page(select, _HITS, "fault_hits", filters, query)
    return [dict(zip(_HITS.split(", "), row, strict=True)) for row in page]


def counts(select: Select) -> dict[str, object]:
    """How much of everything there is, by one look at each table."""
    executions: dict[str, dict[str, object]] = {}
    sums = "SELECT kind, currency, count(*), sum(amount) FROM executions GROUP BY kind, currency"
    for kind, currency, count, amount in select(sums, ()):
        executions.setdefault(str(kind), {})[str(currency)] = {"count": count, "amount": amount}
    flagged = select("SELECT flags, count(*) FROM requests WHERE flags != '' GROUP BY flags", ())
    states = select("SELECT state, count(*) FROM outgoing GROUP BY state", ())
    outgoing = {str(state): count for state, count in states}
    return {
        "requests": select("SELECT count(*) FROM requests", ())[0][0],
        "replayed": select("SELECT count(*) FROM requests WHERE replayed = 1", ())[0][0],
        "flagged": {str(flags): count for flags, count in flagged},
        "executions": executions,
        "keys": select("SELECT count(*) FROM keys", ())[0][0],
        "events": select("SELECT count(*) FROM events", ())[0][0],
        "webhooks_owed": outgoing.get("due", 0),
        "webhooks_given_up": outgoing.get("given_up", 0),
    }


def _page(
    select: Select,
    columns: str,
    table: str,
    filters: Mapping[str, str],
    query: Mapping[str, str],
) -> list[tuple[Column, ...]]:
    unknown = set(query) - set(filters) - {"after", "limit"}
    if unknown:
        known = ", ".join(["after", "limit", *filters])
        raise ValueError(f"unknown filter {sorted(unknown)[0]!r}; known: {known}")
    # By the ledger's ordinal, which is nobody else's: rows that are added meanwhile move none of
    # those that were there, so each of these is seen, and once.
    where = ["n > ?"]
    values: list[Column] = [int(query.get("after", "0"))]
    for name, condition in filters.items():
        if name in query:
            where.append(condition)
            values.append(query[name])
    return select(
        f"SELECT {columns} FROM {table} WHERE {' AND '.join(where)} "  # noqa: S608 - constants
        "ORDER BY n LIMIT ?",
        [*values, int(query["limit"])],
    )
