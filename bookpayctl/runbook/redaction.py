"""What no transcript and no report may hold: secrets, wherever a command printed them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[redacted]"

SECRET_LENGTH_MIN: Final = 8
"""Shorter values would be found in half of all words."""

# By their shape, for those of other environments: keys of Stripe, signing secrets, passwords in
# addresses and in assignments.
_SHAPES: Final = (
    re.compile(r"\b(?:sk|rk)_(?:test|live)_\w+"),
    re.compile(r"\bwhsec_\w+"),
    re.compile(r"(?<=://)([^/\s:@]+):[^@\s]+(?=@)"),
    re.compile(r"(?i)(?<=password=)\S+"),
)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with something else in place of each secret."""
    # The longest first: one may be the beginning of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SECRET_LENGTH_MIN:
            text = text.replace(secret, REDACTED)
    for shape in _SHAPES:
        text = shape.sub(REDACTED, text)
    return text
