"""Where in a Kafka record a fact stands: `key`, `header:NAME`, `$.a.b[0]` or `=constant`. Pure.

A JSON text inside of JSON is looked into, because that is how Debezium's outbox router sends a
payload unless it is told otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bookpayctl.judge.mapping.document import MoneyUnit
from bookpayctl.report.money import minor_digits

KEY: Final = "key"
HEADER: Final = "header:"
CONSTANT: Final = "="
ROOT: Final = "$"

_STEP: Final = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]")


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """What of a record a path can lead to; `document` is its value as JSON, None for poison."""

    key: str
    headers: Mapping[str, str]
    document: Any


def problem_of(path: str) -> str | None:
    """Why a text is no path; None when it is one."""
    if path == KEY or (path.startswith((HEADER, CONSTANT)) and path not in (HEADER, CONSTANT)):
        return None
    steps = path.removeprefix(ROOT)
    if path.startswith(ROOT) and _STEP.sub("", steps) == "":
        return None
    return f"{path!r} is none of key, header:NAME, $.name[0].name, =constant"


def found_at(path: str, record: SeenRecord) -> Any:
    """What stands there; None where nothing does."""
    if path == KEY:
        return record.key or None
    if path.startswith(HEADER):
        return record.headers.get(path.removeprefix(HEADER))
    if path.startswith(CONSTANT):
        return path.removeprefix(CONSTANT)
    place = _opened(record.document)
    for name, number in _STEP.findall(path):
        place = _opened(_step(place, name, number))
    return place


def text_at(path: str | None, record: SeenRecord) -> str | None:
    """What stands there as a text; a whole number is one, anything else is not."""
    value = None if path is None else found_at(path, record)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    # Poison may have anything in it, and equals nothing of the shop's.
    return str(value).replace("\x00", "\ufffd").encode(errors="replace").decode()


def minor_units(value: Any, currency: str | None, unit: MoneyUnit) -> int | str | None:
    """An amount in minor units; what is none is handed back as a text, which no column holds."""
    if value is None:
        return None
    digits = minor_digits(currency or "") if unit is MoneyUnit.MAJOR else 0
    try:
        amount = Decimal(str(value)).scaleb(digits if digits is not None else 0)
    except InvalidOperation:
        return str(value)
    fits = digits is not None and not isinstance(value, bool) and amount.is_finite()
    if not fits or amount != amount.to_integral_value():
        return str(value)
    return int(amount)


def _step(place: Any, name: str, number: str) -> Any:
    if name:
        return place.get(name) if isinstance(place, dict) else None
    return place[int(number)] if isinstance(place, list) and int(number) < len(place) else None


def _opened(place: Any) -> Any:
    """A text that is a JSON object or list, as that."""
    if not isinstance(place, str) or not place.lstrip().startswith(("{", "[")):
        return place
    try:
        return json.loads(place)
    except (ValueError, RecursionError):
        return place
