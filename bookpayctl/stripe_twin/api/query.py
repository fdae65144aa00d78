"""Stripe's search language: `metadata["k"]:"v" AND amount>500`, negated by `-`. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.store import Column

# Stripe's limits: at most ten clauses, joined by AND or by OR and never by both.
_CLAUSES_MAX = 10
_NUMBERS = ("amount", "created")
_FLAGS = ("disputed", "refunded")
# Fields Stripe documents for each kind, as far as the twin has them.
_FIELDS: dict[str, tuple[str, ...]] = {
    "payment_intent": ("amount", "created", "currency", "customer", "status"),
    "charge": (
        *("amount", "created", "currency", "customer", "disputed", "payment_intent", "refunded"),
        *("payment_method_details.card.brand", "payment_method_details.card.last4", "status"),
    ),
    "customer": ("created", "email", "name", "phone"),
}


def _quoted(name: str) -> str:
    """A pattern for a text in quotes of either kind, as the groups NAME1 and NAME2."""
    return rf"""'(?P<{name}1>(?:[^'\\]|\\.)*)'|"(?P<{name}2>(?:[^"\\]|\\.)*)\""""


_CLAUSE = re.compile(
    rf"""\s*(?P<not>-)?
    (?:metadata\[(?:{_quoted("key")})\]|(?P<field>[a-z_.0-9]+))
    \s*(?P<sign>:|~|>=|<=|>|<|=)\s*
    (?:{_quoted("text")}|(?P<bare>[0-9]+|null|true|false))\s*""",
    re.VERBOSE,
)
_JOINER = re.compile(r"(?i:(AND|OR))\s")


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition.

    Attributes:
        name: `amount`, `status`, `metadata.k`, ...; a term of the index or an amount.
        sign: how it compares, as SQL has it; `~` is "contains", `null` "is not there".
        value: what it compares with.
        negated: the objects that do not meet it are meant.
    """

    name: str
    sign: str
    value: str | int | None
    negated: bool

    @property
    def is_term(self) -> bool:
        """Whether the index can find the objects: an equality, not negated."""
        return self.sign == "=" and not self.negated and self.name not in _NUMBERS

    @property
    def is_amount(self) -> bool:
        return self.name == "amount" and not self.negated

    def test(self, place: str) -> tuple[str, list[Column]]:
        """SQL that is true of the objects `o`; creation is that of the row `place`."""
        values: list[Column] = [self.value]
        found = f"json_extract(o.body, '$.{self.name}')"
        if self.name == "created":
            found = f"{place}.created"
        elif self.name.startswith("metadata."):
            # json_each instead of a path: a key may hold characters that a path cannot.
            found = (
                "(SELECT pair.value FROM json_each(o.body, '$.metadata') AS pair "
                "WHERE pair.key = ?)"
            )
            values.insert(0, self.name.removeprefix("metadata."))
        match self.sign:
            case "null":
                test = f"{found} IS NULL"
                values.pop()
            case "~":
                # Not LIKE: a % or _ that the caller is looking for would match anything.
                test = f"instr(lower({found}), lower(?)) > 0"
            case _:
                test = f"{found} {self.sign} ?"
        # What is not there meets no condition, so it meets every negated one.
        return (f"NOT coalesce({test}, 0)" if self.negated else test), values


@dataclass(frozen=True, slots=True)
class Query:
    """Clauses that must all hold, or one of which must."""

    clauses: tuple[Clause, ...]
    joiner: Literal["AND", "OR"]


def parse_query(text: str, kind: str) -> Query:
    """Read a query for a kind of object; only names from a list of ours ever become SQL.

    Raises:
        ApiError: 400, it cannot be read, or names a field that cannot be searched.
    """
    clauses: list[Clause] = []
    joiners: set[str] = set()
    at = 0
    while True:
        found = _CLAUSE.match(text, at)
        if found is None:
            raise _unreadable(f"cannot read {text[at:]!r}")
        clauses.append(_clause(found, kind))
        at = found.end()
        if at == len(text):
            break
        joiner = _JOINER.match(text, at)
        if joiner is None:
            raise _unreadable(f"expected AND or OR before {text[at:]!r}")
        joiners.add(joiner[1].upper())
        at = joiner.end()
    if len(joiners) > 1:
        raise _unreadable("AND and OR cannot be combined")
    if len(clauses) > _CLAUSES_MAX:
        raise _unreadable(f"more than {_CLAUSES_MAX} clauses")
    return Query(tuple(clauses), "OR" if joiners == {"OR"} else "AND")


def _clause(found: re.Match[str], kind: str) -> Clause:
    key, quoted = (_either(found, name) for name in ("key", "text"))
    bare: str | None = found["bare"]
    name = found["field"] if key is None else f"metadata.{_unescaped(key)}"
    if key is None and name not in _FIELDS[kind]:
        raise _unreadable(f"field {name!r} cannot be searched")
    sign = "=" if found["sign"] == ":" else found["sign"]
    text = bare if quoted is None else _unescaped(quoted)
    value: str | int | None = text
    # `field:null` asks for what is not there, which no comparison of SQL can find.
    if bare == "null":
        sign, value = "null", None
    elif name in _NUMBERS:
        if sign == "~" or not re.fullmatch(r"[0-9]{1,15}", text or ""):
            raise _unreadable(f"{name} compares with whole numbers")
        value = int(text or 0)
    # SQLite has no booleans: its JSON functions give 1 and 0 for them.
    elif name in _FLAGS:
        value = int(text == "true")
    elif sign not in ("=", "~"):
        raise _unreadable(f"{name} can only be equal or contain")
    return Clause(name, sign, value, negated=found["not"] is not None)


def _either(found: re.Match[str], name: str) -> str | None:
    first: str | None = found[f"{name}1"]
    second: str | None = found[f"{name}2"]
    return second if first is None else first


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _unreadable(reason: str) -> ApiError:
    return invalid(f"We were unable to parse your search query: {reason}.", param="query")
