"""JSON as nobody can read it two ways, pure: what a body must be before its fields are looked at.

RFC 8259 leaves open what a name means that occurs twice, and readers differ; NaN is no JSON at
all; a deep enough nesting ends a recursive reader. All are refused, before or while parsing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NoReturn

INTEGER_MAX: Final = 2**53
"""Beyond it two readers may see two numbers: many keep integers as floats."""


class NotStrictError(ValueError):
    """The bytes are not one strict JSON document."""


def parse(raw: bytes, *, depth_max: int, too_wide: int | None = None) -> Any:
    """Parse one document.

    Args:
        depth_max: the deepest nesting of arrays and objects that is read; work is linear in
            `raw` whatever the nesting.
        too_wide: what stands for an integer beyond 2**53, for a caller that refuses it by the
            name of its field; without it the document is refused.

    Raises:
        NotStrictError: not UTF-8, not JSON, too deep, NaN or Infinity, a name that occurs twice,
            or an integer beyond 2**53.
    """
    try:
        text = raw.decode("utf-8")
        # Before the parser, which recurses and would be ended by what it reads.
        if _is_deeper_than(text, depth_max):
            raise NotStrictError("nested too deeply")
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_int=partial(_integer, too_wide=too_wide),
        )
    except NotStrictError:
        raise
    except (ValueError, RecursionError) as error:
        raise NotStrictError("not JSON") from error


def is_storable(document: Any) -> bool:
    """Whether every text in it is one a database takes: no NUL, no half of a surrogate pair."""
    return all("\x00" not in text and _encodes(text) for text in _texts(document))


def _texts(document: Any) -> Iterator[str]:
    """Every text, names included, without recursing."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left.extend(value)
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# A whole string, closed or not, or one bracket. Nothing can match in two ways, so it is linear.
_TOKENS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def _is_deeper_than(text: str, depth_max: int) -> bool:
    """Whether brackets outside strings nest deeper; reads no further than the first that does."""
    if text.count("[") + text.count("{") <= depth_max:
        # However they nest; most bodies of ours have fewer than they may nest.
        return False
    depth = 0
    for token in _TOKENS.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth > depth_max:
                return True
        elif mark in "]}":
            depth -= 1
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The last one would win silently, and another reader of the same body may take the first.
    built = dict(pairs)
    if len(built) != len(pairs):
        raise NotStrictError("a name occurs twice")
    return built


def _refuse(constant: str) -> NoReturn:
    raise NotStrictError(f"{constant} is not JSON")


def _integer(digits: str, *, too_wide: int | None) -> int:
    # Measured before it is converted: a long one costs time, and Python refuses the longest.
    if len(digits) <= 17 and abs(int(digits)) <= INTEGER_MAX:
        return int(digits)
    if too_wide is None:
        raise NotStrictError("an integer no reader keeps exactly")
    return too_wide
