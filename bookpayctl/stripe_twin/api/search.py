"""Search: late on purpose. What was made a moment ago is not found, as Stripe warns.

Supported is what metadata reconciliation needs: clauses `field:"value"`, `metadata["k"]:"v"` and
comparisons of `created` and `amount`, joined by AND or by OR.
"""

import re

from bookpayctl.stripe_twin.api.answer import Answer
from bookpayctl.stripe_twin.api.parameters import (
    ARRAY,
    INTEGER,
    NEEDED_TEXT,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.documents import decode_object
from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.store import Column
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import public

SEARCH: Specification = {
    "query": NEEDED_TEXT,
    "limit": INTEGER,
    "page": TEXT,
    "expand": ARRAY,
}

_CLAUSES_MAX = 10
_LIMIT_MAX = 100
_FIELDS = ("amount", "created", "currency", "customer", "payment_intent", "status")
_QUOTED = r"""(?:'([^']*)'|"([^"]*)"|([0-9]+))"""
_CLAUSE = re.compile(
    rf"""\s*(-)?(?:metadata\[['"]([^'"\]]+)['"]\]|([a-z_]+))\s*(:|>=|<=|>|<)\s*{_QUOTED}\s*"""
)


def payment_intents(work: Work, parameters: Parameters, _: str) -> Answer:
    """Search PaymentIntents."""
    return _search(work, parameters, "payment_intent", "/v1/payment_intents/search")


def charges(work: Work, parameters: Parameters, _: str) -> Answer:
    """Search charges."""
    return _search(work, parameters, "charge", "/v1/charges/search")


def _search(work: Work, parameters: Parameters, kind: str, url: str) -> Answer:
    condition, values = _condition(parameters.needed("query"))
    limit = parameters.integer("limit") or 10
    if not 1 <= limit <= _LIMIT_MAX:
        raise invalid(f"limit must be between 1 and {_LIMIT_MAX}.", param="limit")
    page = parameters.text("page") or "0"
    if not page.isdigit():
        raise invalid("Invalid page.", param="page")
    indexed_until = work.now - work.around.search_lag_seconds
    rows = work.around.ledger.select(
        "SELECT body FROM objects WHERE account = ? AND kind = ? AND created <= ? "  # noqa: S608
        f"AND ({condition}) ORDER BY created DESC, n DESC LIMIT ? OFFSET ?",
        [work.account, kind, int(indexed_until), *values, limit + 1, int(page)],
    )
    more = len(rows) > limit
    return Answer(
        200,
        {
            "object": "search_result",
            "data": [public(decode_object(str(row[0]))) for row in rows[:limit]],
            "has_more": more,
            "next_page": str(int(page) + limit) if more else None,
            "url": url,
        },
    )


def _condition(query: str) -> tuple[str, list[Column]]:
    """SQL for a query; only names from `_FIELDS` reach it, everything else is a value."""
    joiners = {word.upper() for word in re.findall(r"\s(AND|OR|and|or)\s", query)}
    if len(joiners) > 1:
        raise _unreadable("AND and OR cannot be combined")
    clauses = re.split(r"\s(?:AND|OR|and|or)\s", query)
    if len(clauses) > _CLAUSES_MAX:
        raise _unreadable(f"more than {_CLAUSES_MAX} clauses")
    tests: list[str] = []
    values: list[Column] = []
    for clause in clauses:
        test, clause_values = _clause(clause)
        tests.append(test)
        values.extend(clause_values)
    return f" {joiners.pop() if joiners else 'AND'} ".join(tests), values


def _clause(clause: str) -> tuple[str, list[Column]]:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise _unreadable(f"cannot read {clause!r}")
    negated, key, name, comparison, single, double, number = found.groups()
    text = single if single is not None else double if double is not None else number
    sign = "=" if comparison == ":" else comparison
    values: list[Column]
    if key is not None:
        # json_each instead of a path: a key may hold characters that a path cannot.
        test = (
            "EXISTS (SELECT 1 FROM json_each(body, '$.metadata') AS pair "
            "WHERE pair.key = ? AND pair.value = ?)"
        )
        values = [key, text]
    elif name in _FIELDS:
        test = f"json_extract(body, '$.{name}') {sign} ?"
        values = [int(text) if name in ("amount", "created") and text.isdigit() else text]
    else:
        raise _unreadable(f"field {name!r} cannot be searched")
    return (f"NOT {test}" if negated else test), values


def _unreadable(reason: str) -> ApiError:
    return invalid(f"We were unable to parse your search query: {reason}.", param="query")
