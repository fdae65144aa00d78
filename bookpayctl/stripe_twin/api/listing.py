"""Pages of objects, newest first, as Stripe's lists give them: consistent with every answer so far.

Cursors compare (created, n), n being the ledger's own ordinal, so each page is one range of an
index and costs the same with a million charges as with ten.
"""

import re
from collections.abc import Callable, Mapping
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

_LIMIT_DEFAULT = 10
_LIMIT_MAX = 100
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
    only: tuple[str, str] | None = None,
) -> dict[str, object]:
    """One page of a kind of object.

    Args:
        work: names the account.
        parameters: checked against PAGING and the filters of the route.
        kind: of the objects.
        url: shown in the list object.
        filters: parameters that must equal a field, if given.
        only: a field of the stored body and the value it must have.
    """
    where = ["account = ?", "kind = ?"]
    if kind == "customer":
        # Of the kinds that are listed here only customers can be deleted, and stay known by id.
        where.append("json_extract(body, '$.deleted') IS NULL")
    values: list[Column] = [work.account, kind]
    for name in filters:
        value = parameters.text(name)
        if value is not None:
            where.append(f"{COLUMNS[name]} = ?")
            values.append(value)
    if only is not None:
        where.append(f"json_extract(body, '$.{only[0]}') = ?")
        values.append(only[1])
    return _page(work, parameters, "objects", where, values, url, public)


def page_of_events(work: Work, parameters: Parameters, url: str, show: Show) -> dict[str, object]:
    """One page of events, by type, types or success of delivery."""
    where = ["account = ?"]
    values: list[Column] = [work.account]
    types = parameters.texts("types") or []
    single = parameters.text("type")
    if single is not None:
        types = [single]
    if types:
        if any("*" in name for name in types):
            tests = ["type GLOB ?"] * len(types)
            where.append(f"({' OR '.join(tests)})")
        else:
            where.append(f"type IN ({', '.join('?' for _ in types)})")
        values.extend(types)
    if parameters.has("delivery_success"):
        word = "NOT IN" if parameters.flag("delivery_success") else "IN"
        waiting = "(SELECT event_id FROM outgoing WHERE state = 'due')"
        where.append(f"id {word} {waiting}")
    return _page(work, parameters, "events", where, values, url, show)


def _page(
    work: Work,
    parameters: Parameters,
    table: str,
    where: list[str],
    values: list[Column],
    url: str,
    show: Show,
) -> dict[str, object]:
    limit = _limit(parameters)
    where, values = list(where), list(values)
    for comparison, moment in _created_bounds(parameters):
        where.append(f"created {comparison} ?")
        values.append(moment)
    after, before = parameters.text("starting_after"), parameters.text("ending_before")
    if after is not None and before is not None:
        raise invalid("Send either starting_after or ending_before, not both.")
    backwards = before is not None
    for cursor, name, sign in (
        (after, "starting_after", "<"),
        (before, "ending_before", ">"),
    ):
        if cursor is not None:
            where.append(f"(created, n) {sign} (?, ?)")
            values.extend(_position(work, table, cursor, name))
    direction = "ASC" if backwards else "DESC"
    rows = work.around.ledger.select(
        f"SELECT body FROM {table} WHERE {' AND '.join(where)} "  # noqa: S608 - columns are ours
        f"ORDER BY created {direction}, n {direction} LIMIT ?",
        [*values, limit + 1],
    )
    more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()
    found = [show(cast(Mapping[str, object], decode_object(str(row[0])))) for row in rows]
    return {"object": "list", "data": found, "has_more": more, "url": url}


def _limit(parameters: Parameters) -> int:
    limit = parameters.integer("limit")
    if limit is None:
        return _LIMIT_DEFAULT
    if not 1 <= limit <= _LIMIT_MAX:
        raise invalid(
            f"limit must be between 1 and {_LIMIT_MAX}.",
            code="parameter_invalid_integer",
            param="limit",
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


def _position(work: Work, table: str, cursor: str, param: str) -> tuple[Column, Column]:
    rows = work.around.ledger.select(
        f"SELECT created, n FROM {table} WHERE id = ? AND account = ?",  # noqa: S608 - two names
        (cursor, work.account),
    )
    if not rows:
        raise no_such(table.removesuffix("s"), cursor, param)
    return rows[0][0], rows[0][1]
