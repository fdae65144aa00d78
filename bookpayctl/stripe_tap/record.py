"""What is kept of a request: enough to hold it against our rows, nothing that could pay or sign.

Parameters are kept by name, from a list: whatever Stripe invents next is not kept until somebody
has looked at it. Values that look like a key, a client secret or a card number are never kept,
whatever their name is. Pure.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

NOT_KEPT: Final = "(not kept)"

VALUE_CHARS_MAX: Final = 200
PARAMETERS_MAX: Final = 100
"""Our gateway sends a dozen; a request cannot fill the disk with its own."""

_KEPT: Final = frozenset(
    {
        *("amount", "currency", "confirm", "payment_method", "payment_intent", "charge"),
        *("capture_method", "confirmation_method", "off_session", "setup_future_usage"),
        *("cancellation_reason", "reason", "payment_method_types", "expand", "limit"),
        *("starting_after", "ending_before", "created", "type", "error_on_requires_action"),
        "metadata",
    }
)
"""Names of parameters, without what stands in brackets behind them."""

_SECRET: Final = re.compile(r"(?:sk|rk|pk)_(?:test|live)|whsec_|_secret_|bearer\s", re.IGNORECASE)
# Names that the digits of a card could be part of by chance: a UUID, an id such as pi_123.
_IDS: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z]{2,6}_[0-9A-Za-z]+")
_DIGITS: Final = re.compile(r"(?:\d[ -]?){13,19}")
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is written down of a request's parameters.

    Attributes:
        parameters: as they came, or `(not kept)`.
        body_sha256: of the body; None when it held what is not kept, which a hash would give away.
    """

    parameters: dict[str, str | list[str]]
    body_sha256: str | None


def kept_of_body(body: bytes, *, content_type: str, whole: bool) -> Kept:
    """The parameters of a form; of any other body only whether it was there.

    Args:
        whole: `body` is all of it; of a longer one neither parameters nor a hash is kept.
    """
    if not body:
        return Kept({}, hashlib.sha256(b"").hexdigest())
    if not whole or content_type.partition(";")[0].strip().lower() != _FORM:
        return Kept({"body": NOT_KEPT}, None)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True)
    except (UnicodeDecodeError, ValueError):
        return Kept({"body": NOT_KEPT}, None)
    kept = kept_of_pairs(pairs)
    hashed = None if _holds_back(kept) else hashlib.sha256(body).hexdigest()
    return Kept(kept, hashed)


def kept_of_query(query: str) -> dict[str, str | list[str]]:
    """The parameters of a query string."""
    try:
        return kept_of_pairs(parse_qsl(query, keep_blank_values=True))
    except ValueError:
        return {"query": NOT_KEPT}


def kept_of_pairs(pairs: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Names with what is kept of their values; a name that came twice has a list."""
    found: dict[str, str | list[str]] = {}
    for name, value in pairs[:PARAMETERS_MAX]:
        shown = clean(name)
        said = clean(value) if name.partition("[")[0] in _KEPT else NOT_KEPT
        before = found.get(shown)
        if before is None:
            found[shown] = said
        else:
            found[shown] = [*(before if isinstance(before, list) else [before]), said]
    return found


def clean(text: str) -> str:
    """A text that may be written down: short, and neither a secret nor a card's number."""
    digits = _DIGITS.finditer(_IDS.sub("", text))
    if _SECRET.search(text) or any(_is_card_number(found.group()) for found in digits):
        return NOT_KEPT
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"


def _holds_back(kept: dict[str, str | list[str]]) -> bool:
    return any(
        NOT_KEPT in (name, value) or (isinstance(value, list) and NOT_KEPT in value)
        for name, value in kept.items()
    )


def _is_card_number(text: str) -> bool:
    """Whether the digits pass the check that every card number passes (Luhn)."""
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
