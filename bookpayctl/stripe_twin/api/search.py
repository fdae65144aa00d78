"""Search: late on purpose. What was made a moment ago is not found, as Stripe warns.

A search starts from the clause that the index says is rarest, and checks all clauses on the objects
as they are. One without any such clause (a negation, say) goes through the objects from the newest.
"""

import base64
from collections.abc import Awaitable
from dataclasses import dataclass

from bookpayctl.stripe_twin.api.answer import ApiAnswer
from bookpayctl.stripe_twin.api.listing import limit_of
from bookpayctl.stripe_twin.api.parameters import (
    ARRAY,
    INTEGER,
    NEEDED_TEXT,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.api.query import Clause, parse_query
from bookpayctl.stripe_twin.documents import decode_object
from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.search_index import SearchIndex
from bookpayctl.stripe_twin.ledger.store import Column
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import public

SEARCH: Specification = {
    "query": NEEDED_TEXT,
    "limit": INTEGER,
    "page": TEXT,
    "expand": ARRAY,
}
# A clause that matches fewer objects than this is where a search starts.
_RARE = 2_000


def payment_intents(work: Work, parameters: Parameters, _: str) -> Awaitable[ApiAnswer]:
    """Search PaymentIntents."""
    return _search(work, parameters, "payment_intent", "/v1/payment_intents/search")


def charges(work: Work, parameters: Parameters, _: str) -> Awaitable[ApiAnswer]:
    """Search charges."""
    return _search(work, parameters, "charge", "/v1/charges/search")


def customers(work: Work, parameters: Parameters, _: str) -> Awaitable[ApiAnswer]:
    """Search customers."""
    return _search(work, parameters, "customer", "/v1/customers/search")


@dataclass(frozen=True, slots=True)
class _Range:
    """What is searched, and from where on: objects of one kind, made before a time and a place."""

    account: str
    kind: str
    latest: int
    below: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a search starts: rows of the index called `at`, or the objects `o` themselves."""

    tables: str
    place: str
    where: str = ""
    values: tuple[Column, ...] = ()


_EVERYTHING = _Start("ledger.objects AS o", "o")


async def _search(work: Work, parameters: Parameters, kind: str, url: str) -> ApiAnswer:
    query = parse_query(parameters.needed("query"), kind)
    limit = limit_of(parameters)
    # Stripe warns against reading by search what was just written: it lags by up to a minute, and
    # longer during outages. A caller that does so anyway finds nothing here, on purpose.
    span = _Range(
        work.account,
        kind,
        int(work.now - work.context.search_lag_seconds),
        _place(parameters.text("page")),
    )
    index = work.context.search
    # The lag is the virtual one above and nothing else: how busy this machine is must not decide
    # what a drill finds.
    await index.caught_up()
    # Of clauses joined by OR each is a search; what two of them find is one find.
    parts = [query.clauses] if query.joiner == "AND" else [(clause,) for clause in query.clauses]
    found: dict[tuple[int, int], str] = {}
    for part in parts:
        sql, values = _statement(part, span, await _start(index, part, span))
        for created, n, body in await index.select(sql, [*values, limit + 1]):
            found[int(created or 0), int(n or 0)] = str(body)
    # Each part was asked for one object more than a page, so the newest of all of them are among
    # these.
    places = sorted(found, reverse=True)
    more = len(places) > limit
    return ApiAnswer(
        200,
        {
            "object": "search_result",
            "data": [public(decode_object(found[place])) for place in places[:limit]],
            "has_more": more,
            "next_page": _page(places[limit - 1]) if more else None,
            "url": url,
        },
    )


async def _start(index: SearchIndex, clauses: tuple[Clause, ...], span: _Range) -> _Start:
    """The rarest of the clauses that the index knows; all objects if it knows none."""
    starts: list[tuple[int, _Start]] = []
    for clause in clauses:
        if not clause.is_term and not clause.is_amount:
            continue
        table = "terms" if clause.is_term else "amounts"
        where = "name = ? AND value = ?" if clause.is_term else f"amount {clause.sign} ?"
        values = (clause.name, clause.value) if clause.is_term else (clause.value,)
        rows = await index.select(
            f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE account = ? "  # noqa: S608 - ours
            f"AND kind = '{span.kind}' AND {where} LIMIT {_RARE})",
            [span.account, *values],
        )
        count = int(rows[0][0] or 0)
        # Terms come in the order of the answer, amounts must be sorted, so these must be few.
        if clause.is_term or count < _RARE:
            tables = f"{table} AS at CROSS JOIN ledger.objects AS o ON o.n = at.n"
            starts.append((count, _Start(tables, "at", where, values)))
    return min(starts, key=lambda start: start[0])[1] if starts else _EVERYTHING


def _statement(
    clauses: tuple[Clause, ...], span: _Range, start: _Start
) -> tuple[str, list[Column]]:
    """SQL for clauses that must all hold; it takes one more value, the limit."""
    at = start.place
    tests = [f"{at}.account = ?", f"{at}.kind = '{span.kind}'", f"{at}.created <= ?"]
    values: list[Column] = [span.account, span.latest]
    if start.where:
        tests.append(start.where)
        values.extend(start.values)
    if span.below is not None:
        tests.append(f"({at}.created, {at}.n) < (?, ?)")
        values.extend(span.below)
    if at != "o":
        # A customer that was deleted meanwhile is in the index and not of this kind any more.
        tests.append(f"o.kind = '{span.kind}'")
    for clause in clauses:
        test, more = clause.test(at)
        # A row that cannot be read meets no clause.
        tests.append(f"CASE WHEN json_valid(o.body) THEN {test} ELSE 0 END")
        values.extend(more)
    sql = (
        f"SELECT o.created, o.n, o.body FROM {start.tables} WHERE {' AND '.join(tests)} "  # noqa: S608
        f"ORDER BY {at}.created DESC, {at}.n DESC LIMIT ?"
    )
    return sql, values


def _page(place: tuple[int, int]) -> str:
    """The mark of the next page: where this one ended, in letters that say nothing."""
    # Opaque as Stripe's, so that nobody makes one up: a cursor of a list is an id, a mark of a
    # search is not.
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode()


def _place(page: str | None) -> tuple[int, int] | None:
    if page is None:
        return None
    try:
        created, n = base64.urlsafe_b64decode(page.encode()).decode().split(":")
        return int(created), int(n)
    except ValueError as error:
        raise invalid("Invalid page: it is no mark that a search gave.", param="page") from error
