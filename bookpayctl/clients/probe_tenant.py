"""The orders API as a tenant of the tool's own: what it orders for its questions is no shop's.

A token is made for each conversation and taken away after it; one that a kill left behind runs out.
So no probe uses up a shop's quota, none is in a shop's list, and no file holds the token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bookpayctl.clients.database import writing
from bookpayctl.clients.orders_api import OrdersApi

TENANT_ID: Final = "bookpay-probes"

_GOOD_FOR: Final = "10 minutes"
"""Longer than a conversation with the orders API, whose calls end after 10 s."""


@contextmanager
def probe_tenants_api(dsn: str, orders_url: str) -> Iterator[OrdersApi]:
    """The API with a token that is good for the block.

    Raises:
        DatabaseError: the token could not be made.
    """
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).digest()
    with writing(dsn) as conn:
        conn.execute(
            "DELETE FROM api_tokens WHERE tenant_id = %s AND expires_at < now()", (TENANT_ID,)
        )
        conn.execute(
            "INSERT INTO api_tokens (token_sha256, tenant_id, expires_at)"
            " VALUES (%s, %s, now() + %s::interval)",
            (digest, TENANT_ID, _GOOD_FOR),
        )
    try:
        yield OrdersApi(orders_url, token)
    finally:
        with writing(dsn) as conn:
            conn.execute("DELETE FROM api_tokens WHERE token_sha256 = %s", (digest,))
