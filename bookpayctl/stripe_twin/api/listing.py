"""Pages of objects, newest first, as Stripe's lists give them: consistent with every answer so far.

Cursors compare (created, n), n being the ledger's own ordinal, so each page is one range of an
index and costs the same with a million charges as with ten.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    INTEGER,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.documents import decode_object
from bookpayctl.stripe_twin.errors import invalid, no_such
from bookpayctl.stripe_twin.ledger.store import Column
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import public

PAGING: Specification = {
    "limit": INTEGER,
    "starting_after": TEXT,
    "ending_before": TEXT,
    "expand": ARRAY,
}
CREATED: Specification = {"created": ANY}

# Source of both: docs.stripe.com/api/pagination.
_LIMIT_DEFAULT = 10
_LIMIT_MAX = 100
# By the names that a filter may use; what is not here never becomes SQL.
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

# Which column of the ledger a filter of the API is.
COLUMNS = {
    "customer": "customer",
    "payment_intent": "payment_intent",
    "charge": "subject",
    "source": "subject",
}

Show = Callable[[Mapping[str, object]], Mapping[str, object]]


def page_of_objects(
    work: Work,
    parameters: Parameters,
    kind: str,
    url: str,
    *,
    filters: tuple[str, ...] = (),
    equal: Mapping[str, str | None] | None = None,
    id_prefix: str | None = None,
    show: Show = public,
) -> dict[str, object]:
    """One page of a kind of object.

    Args:
        work: names the account.
        parameters: checked against PAGING and the filters of the route.
        kind: of the objects; one of ours, never a client's word.
        url: shown in the list object.
        filters: parameters that must equal a column, if given.
        equal: fields of the stored body and the values they must have; None is no condition.
            Each needs an index in the ledger's schema.
        id_prefix: only objects whose id starts so.
        show: makes of a stored object what is answered.
    """
    # The kind stands in the statement itself: a partial index is not used for a bound value.
    where = ["account = ?", f"kind = '{kind}'"]
    values: list[Column] = [work.account]
    for name in filters:
        value = parameters.text(name)
        if value is not None:
            where.append(f"{COLUMNS[name]} = ?")
            values.append(value)
    for name, wanted in (equal or {}).items():
        if wanted is not None:
            where.append(f"json_extract(body, '$.{name}') = ?")
            values.append(wanted)
    if id_prefix is not None:
        where.append("substr(id, 1, length(?)) = ?")
        values.extend((id_prefix, id_prefix))
    return _page(work, parameters, PageSource("objects", kind), [_Part(where, values)], url, show)


def page_of_events(work: Work, parameters: Parameters, url: str, show: Show) -> dict[str, object]:
    """One page of events, by type, types or success of delivery.

    Each type is a range of an index of its own. Asked for together, SQLite would sort all events of
    those types for one page, so they are asked for one by one and merged.
    """
    plus, undelivered = "", []
    if parameters.has("delivery_success"):
        delivered = parameters.flag("delivery_success")
        # Two plans: through all events from the newest on, checking each, or from the few that are
        # undelivered. Either is slow where the other is fast.
        if delivered or _many_undelivered(work):
            word = "NOT EXISTS" if delivered else "EXISTS"
            undelivered = [f"{word} ({_UNDELIVERED} AND event_id = events.id)"]
        else:
            # The plus keeps SQLite from walking through all events in the order of the answer.
            plus, undelivered = "+", [f"id IN ({_UNDELIVERED})"]
    where = [f"{plus}account = ?", *undelivered]
    values: list[Column] = [work.account]
    parts = [
        _Part([*where, f"{plus}type = ?"], [*values, name], plus)
        for name in _types(work, parameters)
    ]
    if not parts and parameters.text("type") is None and not parameters.texts("types"):
        parts = [_Part(where, values, plus)]
    return _page(work, parameters, PageSource("events", "event"), parts, url, show)


# An event that some endpoint has not got, whether it may still get it or never will.
_UNDELIVERED = "SELECT event_id FROM outgoing WHERE state IN ('due', 'dropped', 'given_up')"
# Up to so many undelivered events are looked up one by one; of more, a page is soon full.
_UNDELIVERED_FEW = 1_000


def _many_undelivered(work: Work) -> bool:
    rows = work.context.ledger.select(
        f"SELECT count(*) FROM ({_UNDELIVERED} LIMIT {_UNDELIVERED_FEW})"  # noqa: S608 - constants
    )
    return int(rows[0][0] or 0) >= _UNDELIVERED_FEW


# Steps through an index from type to type, so it costs a look-up for each type there is.
_TYPES_THERE_ARE = """
WITH RECURSIVE found (type) AS (
    SELECT min(type) FROM events WHERE account = :account
    UNION ALL
    SELECT (SELECT min(type) FROM events WHERE account = :account AND type > found.type)
    FROM found WHERE found.type IS NOT NULL)
SELECT type FROM found WHERE type IS NOT NULL
"""


def _types(work: Work, parameters: Parameters) -> list[str]:
    """The types that are asked for, wildcards resolved to those there are; none if all are."""
    single = parameters.text("type")
    wanted = [single] if single is not None else parameters.texts("types") or []
    if not any("*" in name for name in wanted):
        return list(dict.fromkeys(wanted))
    rows = work.context.ledger.reader.execute(_TYPES_THERE_ARE, {"account": work.account})
    there = [str(row[0]) for row in rows]
    return [name for name in there if any(_matches(pattern, name) for pattern in wanted)]


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None


@dataclass(frozen=True, slots=True)
class PageSource:
    """A table of the ledger, and what error messages call its rows."""

    table: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Part:
    """Conditions that one index can answer in order; `order` is put before the ordered columns."""

    where: list[str]
    values: list[Column]
    order: str = ""


def _page(
    work: Work,
    parameters: Parameters,
    source: PageSource,
    parts: list[_Part],
    url: str,
    show: Show,
) -> dict[str, object]:
    limit = limit_of(parameters)
    bounds: list[str] = []
    values: list[Column] = []
    for comparison, moment in _created_bounds(parameters):
        bounds.append(f"created {comparison} ?")
        values.append(moment)
    after, before = parameters.text("starting_after"), parameters.text("ending_before")
    if after is not None and before is not None:
        raise invalid(
            "Received both starting_after and ending_before parameters. Please pass in only one.",
            code="parameters_exclusive",
            param="starting_after",
        )
    backwards = before is not None
    for cursor, name, sign in (
        (after, "starting_after", "<"),
        (before, "ending_before", ">"),
    ):
        if cursor is not None:
            bounds.append(f"(created, n) {sign} (?, ?)")
            values.extend(_position(work, source, cursor, name))
    # `ending_before` asks for the page right before the cursor: the oldest of what is newer, so it
    # is read upwards and turned round below.
    direction = "ASC" if backwards else "DESC"
    rows: list[tuple[Column, ...]] = []
    for part in parts:
        # The account and all conditions are bound values; only names of ours are put into the text.
        where = " AND ".join([*part.where, *bounds])
        order = f"{part.order}created {direction}, {part.order}n {direction}"
        rows += work.context.ledger.select(
            f"SELECT created, n, body FROM {source.table} WHERE {where} "  # noqa: S608 - ours
            f"ORDER BY {order} LIMIT ?",
            [*part.values, *values, limit + 1],
        )
    if len(parts) > 1:
        rows.sort(key=lambda row: (row[0], row[1]), reverse=not backwards)
    # One more than a page was asked for, and each part gave that many: enough to know that there is
    # another page, without counting.
    more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()
    found = [show(cast(Mapping[str, object], decode_object(str(row[2])))) for row in rows]
    return {"object": "list", "data": found, "has_more": more, "url": url}


def limit_of(parameters: Parameters) -> int:
    """How many objects a page or a search may hold; raises the 400 for a number out of range."""
    limit = parameters.integer("limit")
    if limit is None:
        return _LIMIT_DEFAULT
    if not 1 <= limit <= _LIMIT_MAX:
        bound = "greater than or equal to 1" if limit < 1 else f"less than or equal to {_LIMIT_MAX}"
        raise invalid(
            f"This value must be {bound}.", code="parameter_invalid_integer", param="limit"
        )
    return limit


def _created_bounds(parameters: Parameters) -> list[tuple[str, int]]:
    exact = parameters.text("created")
    if exact is not None:
        return [("=", _moment(exact))]
    bounds = parameters.branch("created").tree
    unknown = set(bounds) - set(_COMPARISONS)
    if unknown:
        raise invalid(f"Invalid comparison: {sorted(unknown)[0]}", param="created")
    return [
        (_COMPARISONS[name], _moment(value if isinstance(value, str) else ""))
        for name, value in bounds.items()
    ]


def _moment(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise invalid(
            f"Invalid timestamp: {text}", code="parameter_invalid_integer", param="created"
        )
    return int(text)


def _position(work: Work, source: PageSource, cursor: str, param: str) -> tuple[Column, Column]:
    only = f" AND kind = '{source.kind}'" if source.table == "objects" else ""
    # A cursor of another account does not exist here, as any object of another account.
    rows = work.context.ledger.select(
        f"SELECT created, n FROM {source.table} WHERE id = ? AND account = ?{only}",  # noqa: S608
        (cursor, work.account),
    )
    if not rows:
        raise no_such(source.kind, cursor, param)
    return rows[0][0], rows[0][1]
