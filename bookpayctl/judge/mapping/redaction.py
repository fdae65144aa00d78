"""Ids by which a person could be found, as digests: one id is one digest everywhere. Pure.

The digest is the first sixteen hexadecimal digits of the SHA-256 of salt and id. Who has the salt,
which stays beside the runs, can make an id's digest and look for it; nobody else can.
"""

from __future__ import annotations

import hashlib
from typing import Final

DIGITS: Final = 16

REDACTED: Final = frozenset({"order_id", "tenant_id", "client_key", "reason", "cause"})
"""Columns that may name a customer, or hold what somebody wrote about one."""


def redacted(text: str | None, salt: str | None) -> str | None:
    """A text as it is kept; without a salt as it is."""
    if text is None or salt is None:
        return text
    return hashlib.sha256(f"{salt}{text}".encode(errors="replace")).hexdigest()[:DIGITS]


def redacted_sql(value: str, salt: str) -> str:
    """The same of an SQL expression that is a text; the salt is hexadecimal."""
    digest = f"encode(sha256(convert_to('{salt}' || {value}, 'UTF8')), 'hex')"
    return f"left({digest}, {DIGITS})"
