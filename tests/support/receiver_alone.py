"""A receiver by itself on a database of its own: what its tables hold is its doing alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import ServiceProcess
from tests.support.stack import ENVIRONMENT, WEBHOOK_SECRET


@contextmanager
def receiver_on(dsn: str, directory: Path, **variables: str) -> Iterator[ServiceProcess]:
    """A ready receiver that answers to 127.0.0.1; stopped at the end."""
    own = {
        "DB_DSN": dsn,
        "BOOKPAY_ENV": ENVIRONMENT,
        "BOOKPAY_WEBHOOK_HOSTS": "127.0.0.1",
    }
    if "STRIPE_WEBHOOK_SECRET_FILE" not in variables:
        own["STRIPE_WEBHOOK_SECRET"] = WEBHOOK_SECRET
    service = ServiceProcess("receiver", ("payments-webhook-receiver",), own | variables, directory)
    try:
        yield service.start().wait_ready()
    finally:
        service.stop()
