"""What a SELECT gives, turned into what a canonical table holds: types, money, times, words. Pure.

A value is never bent to fit: an amount with a fraction of a minor unit, a time that no clock shows
and a word that nobody translated become NULL, and `unreadable` names the column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bookpayctl.judge.ledgers.tables import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    TIMESTAMP,
    UNREADABLE,
    tables,
)
from bookpayctl.judge.mapping.document import MoneyUnit, TableMapping
from bookpayctl.judge.mapping.redaction import REDACTED, redacted_sql
from bookpayctl.judge.mapping.tables import (
    CURRENCY,
    MAY_BE_NULL,
    MONEY,
    REQUIRED,
    WORDS,
    columns_of,
)
from bookpayctl.report.money import currencies_by_digits

WHOLE_TYPES: Final = frozenset({"int2", "int4", "int8", "numeric"})
WITH_ZONE: Final = "timestamptz"
WITHOUT_ZONE: Final = "timestamp"

# Of pg_type.typcategory: strings and enums are texts by themselves.
TEXT_CATEGORIES: Final = frozenset({"S", "E"})
TEXT_TYPES: Final = frozenset({"uuid", "int2", "int4", "int8"})

_LIMITS: Final = {BIGINT: 2**63, INTEGER: 2**31}
_FIRST: Final = "'0001-01-01 00:00'"
_LAST: Final = "'9999-12-31 23:59:59.999999'"

ADVICE: Final = {
    "float4": "binary fractions hold no money and no ids; cast it to numeric(12, 2) or bigint",
    "float8": "binary fractions hold no money and no ids; cast it to numeric(12, 2) or bigint",
    "money": "its text depends on the server's locale; cast it to numeric(12, 2)",
    "date": "a day is no moment; add one: `(placed_on + time '00:00') AT TIME ZONE 'UTC'`",
    "json": "take the value out of it, as with ->>",
    "jsonb": "take the value out of it, as with ->>",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One column that a SELECT gives: its name, PostgreSQL's type and the type's category."""

    name: str
    type_name: str
    category: str


@dataclass(frozen=True, slots=True)
class _Read:
    """How a column is read: its value, and when it could not be held (None: never)."""

    value: str
    bad: str | None = None


def problems_of(mapping: TableMapping, found: list[Found], time_zone: str | None) -> list[str]:
    """Why these columns cannot fill the table, a sentence each; empty when they can."""
    name = mapping.name
    names = [column.name for column in found]
    told = [f"{one} is there twice" for one in sorted({n for n in names if names.count(n) > 1})]
    known = columns_of(name)
    told += [
        f"{one} is no column of {name}; it has {', '.join(known)}"
        for one in names
        if one not in known
    ]
    given = {*names, *([CURRENCY] if mapping.currency else [])}
    told += [f"{one} is missing" for one in REQUIRED[name] if one not in given]
    for column in found:
        if column.name in known:
            told += _type_problem(name, column, time_zone)
    if mapping.money is MoneyUnit.MAJOR and MONEY in names and not _knows_currency(mapping, names):
        told.append("its amounts are major units, and nothing says of which currency")
    return told


def missing_columns(mapping: TableMapping, found: list[Found]) -> list[str]:
    """Columns that may be left out and are; what rests on one is not asked."""
    given = {column.name for column in found}
    return [name for name in columns_of(mapping.name) if name not in given]


def select_of(
    mapping: TableMapping, found: list[Found], time_zone: str | None, salt: str | None = None
) -> str:
    """The SELECT that gives the canonical table's columns, in its order; `found` fits it.

    Args:
        salt: makes digests of what may name a customer; None leaves it as it is.
    """
    given = {column.name: column for column in found}
    reads = {
        column.name: _read(mapping, column.name, column.type, given, time_zone)
        for column in tables()[mapping.name].columns
        if column.name != UNREADABLE
    }
    told = [
        f"CASE WHEN {read.bad} THEN {literal(name)} END"
        for name, read in reads.items()
        if read.bad is not None
    ]
    unreadable = f"NULLIF(concat_ws(', ', {', '.join(told)}), '')" if told else "NULL"
    columns = [f"{_kept(name, read.value, salt)} AS {name}" for name, read in reads.items()]
    return f"SELECT {', '.join([*columns, f'{unreadable} AS {UNREADABLE}'])}\n{source_of(mapping)}"


def _kept(name: str, value: str, salt: str | None) -> str:
    return value if salt is None or name not in REDACTED else redacted_sql(value, salt)


def source_of(mapping: TableMapping) -> str:
    """The user's SELECT as something to select from; on lines of its own, so that a comment at
    its end comments nothing of ours out."""
    return f"FROM (\n{mapping.select}\n) AS mapped"


def words_of(mapping: TableMapping, column: str) -> tuple[str, ...] | None:
    """The words that are known in a column, in the stack's own language; None for any."""
    if column in mapping.translate and (mapping.name, column) in WORDS:
        return tuple(mapping.translate[column])
    return WORDS.get((mapping.name, column))


def literal(text: str) -> str:
    """A text as PostgreSQL writes it, whatever `standard_conforming_strings` says."""
    quoted = text.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{quoted}'"


def own(column: str) -> str:
    """A column of the user's SELECT, whatever it is called."""
    quoted = column.replace('"', '""')
    return f'mapped."{quoted}"'


def _type_problem(table: str, column: Found, time_zone: str | None) -> Iterator[str]:
    wanted = next(c.type for c in tables()[table].columns if c.name == column.name)
    kind = column.type_name
    if wanted == TIMESTAMP:
        fits = kind == WITH_ZONE or (kind == WITHOUT_ZONE and time_zone is not None)
        if kind == WITHOUT_ZONE and not fits:
            yield f"{column.name} has no time zone, and database.time_zone does not say which"
            return
    elif wanted == BOOLEAN:
        fits = kind == "bool"
    elif wanted in _LIMITS:
        fits = kind in WHOLE_TYPES
    else:
        fits = column.category in TEXT_CATEGORIES or kind in TEXT_TYPES
    if not fits:
        advice = ADVICE.get(kind, f"it has to be {_WANTED[wanted]}; cast it in the SELECT")
        yield f"{column.name} is {kind}: {advice}"


_WANTED: Final = {
    TIMESTAMP: "timestamptz",
    BOOLEAN: "boolean",
    BIGINT: "a whole number",
    INTEGER: "a whole number",
    "VARCHAR": "a text, a uuid or a whole number",
}


def _knows_currency(mapping: TableMapping, names: list[str]) -> bool:
    return mapping.currency is not None or CURRENCY in names


def _read(
    mapping: TableMapping,
    name: str,
    kind: str,
    given: Mapping[str, Found],
    time_zone: str | None,
) -> _Read:
    if name not in given:
        return _not_given(mapping, name, given)
    if kind == TIMESTAMP:
        read = _time(given[name], time_zone)
    elif kind in _LIMITS:
        read = _whole(mapping, name, kind, given)
    elif kind == BOOLEAN:
        read = _Read(own(name))
    else:
        read = _text(mapping, name)
    if name in REQUIRED[mapping.name] and (mapping.name, name) not in MAY_BE_NULL:
        bad = f"{own(name)} IS NULL"
        return _Read(read.value, bad if read.bad is None else f"{bad} OR {read.bad}")
    return read


def _not_given(mapping: TableMapping, name: str, given: Mapping[str, Found]) -> _Read:
    if name == CURRENCY and mapping.currency is not None:
        return _Read(literal(mapping.currency))
    if name == "has_amount" and MONEY in given:
        return _Read(f"{own(MONEY)} IS NOT NULL")
    return _Read("NULL")


def _time(column: Found, time_zone: str | None) -> _Read:
    at = own(column.name)
    if column.type_name == WITHOUT_ZONE:
        # Infinity has no place in any zone, so it is looked at before it is moved into one.
        inside = f"{at} BETWEEN {_FIRST}::timestamp AND {_LAST}::timestamp"
        at = f"({at} AT TIME ZONE {literal(time_zone or 'UTC')})"
    else:
        inside = f"{at} BETWEEN ({_FIRST}::timestamp AT TIME ZONE 'UTC')"
        inside += f" AND ({_LAST}::timestamp AT TIME ZONE 'UTC')"
    return _Read(f"CASE WHEN {inside} THEN {at} AT TIME ZONE 'UTC' END", f"NOT ({inside})")


def _whole(mapping: TableMapping, name: str, kind: str, given: Mapping[str, Found]) -> _Read:
    number = f"{own(name)}::numeric"
    if name == MONEY and mapping.money is MoneyUnit.MAJOR:
        number = f"({number} * {_minor_units_of_one(mapping, given)})"
    limit = _LIMITS[kind]
    fits = f"{number} = trunc({number}) AND {number} BETWEEN {-limit} AND {limit - 1}"
    # Of a currency that nobody knows the number is NULL, and so is whether it fits.
    bad = f"({own(name)} IS NOT NULL AND ({fits}) IS NOT TRUE)"
    return _Read(f"CASE WHEN {fits} THEN ({number})::bigint END", bad)


def _minor_units_of_one(mapping: TableMapping, given: Mapping[str, Found]) -> str:
    """How many minor units make one: 100 cents, 1 yen; NULL of a currency nobody knows."""
    currency = _currency(given) if CURRENCY in given else literal(mapping.currency or "")
    cases = " ".join(
        f"WHEN {currency} IN ({', '.join(map(literal, names))}) THEN {10**digits}"
        for digits, names in currencies_by_digits().items()
    )
    return f"(CASE {cases} END)"


def _currency(given: Mapping[str, Found]) -> str:
    return f"lower({own(given[CURRENCY].name)}::text)"


def _text(mapping: TableMapping, name: str) -> _Read:
    text = f"{own(name)}::text"
    if name == CURRENCY:
        return _Read(f"lower({text})")
    known = words_of(mapping, name)
    translated = mapping.translate.get(name, {})
    if known is None and not translated:
        return _Read(text)
    cases = " ".join(
        f"WHEN {literal(word)} THEN {literal(canonical)}" for word, canonical in translated.items()
    )
    if known is None:
        return _Read(f"CASE {text} {cases} ELSE {text} END")
    listed = ", ".join(map(literal, known)) or "NULL"
    value = (
        f"CASE {text} {cases} END"
        if translated
        else f"CASE WHEN {text} IN ({listed}) THEN {text} END"
    )
    return _Read(value, f"({text} IS NOT NULL AND ({text} IN ({listed})) IS NOT TRUE)")
