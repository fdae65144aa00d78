"""Single services on a database of their own: what its tables hold is the service's doing alone.

Each is made here and started by who wants it (`running`).
"""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import ServiceProcess
from tests.support.stack import ARGUMENTS, DEADLINES, ENVIRONMENT, GATEWAY_TOKEN, WEBHOOK_SECRET
from tests.support.twin import API_KEY


def orders_alone(dsn: str, directory: Path, **variables: str) -> ServiceProcess:
    """The orders API; it needs nothing but its database."""
    own = {"DB_DSN": dsn, "BOOKPAY_ENV": ENVIRONMENT}
    return ServiceProcess("orders-http", ARGUMENTS["orders-http"], own | variables, directory)


def receiver_alone(dsn: str, directory: Path, **variables: str) -> ServiceProcess:
    """A receiver that answers to 127.0.0.1, with the suite's secret if it is given no file."""
    own = {"DB_DSN": dsn, "BOOKPAY_ENV": ENVIRONMENT, "BOOKPAY_WEBHOOK_HOSTS": "127.0.0.1"}
    if "STRIPE_WEBHOOK_SECRET_FILE" not in variables:
        own["STRIPE_WEBHOOK_SECRET"] = WEBHOOK_SECRET
    return ServiceProcess("receiver", ARGUMENTS["receiver"], own | variables, directory)


def gateway_alone(
    dsn: str, directory: Path, *, stripe_api_base: str, key_file: Path | None = None
) -> ServiceProcess:
    """A gateway in front of whatever listens, or does not, at Stripe's address."""
    key = {"STRIPE_API_KEY": API_KEY}
    if key_file is not None:
        key = {"STRIPE_API_KEY_FILE": str(key_file)}
    own = {
        **DEADLINES,
        "DB_DSN": dsn,
        "BOOKPAY_ENV": ENVIRONMENT,
        "GATEWAY_TOKEN": GATEWAY_TOKEN,
        "STRIPE_API_BASE": stripe_api_base,
        **key,
    }
    return ServiceProcess("gateway", ARGUMENTS["gateway"], own, directory)


def reconciler_alone(dsn: str, directory: Path) -> ServiceProcess:
    """A reconciler whose gateway is not there: it looks at its database all the same."""
    own = {
        **DEADLINES,
        "DB_DSN": dsn,
        "BOOKPAY_ENV": ENVIRONMENT,
        "GATEWAY_URL": "http://127.0.0.1:9",
        "GATEWAY_TOKEN": GATEWAY_TOKEN,
    }
    return ServiceProcess("reconciler", ARGUMENTS["reconciler"], own, directory)
