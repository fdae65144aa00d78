"""`python -m bookpayctl.stripe_twin`: the twin in the foreground, as a supervisor runs it."""

import argparse
import logging
import sys
from pathlib import Path

from bookpayctl.stripe_twin.application import StripeTwin, run
from bookpayctl.stripe_twin.ledger.store import LedgerBusyError
from bookpayctl.stripe_twin.settings import Settings, read_secrets
from bookpayctl.stripe_twin.webhooks.schedule import SCHEDULES

_USAGE_ERROR = 2


def main(arguments: list[str]) -> int:
    """Run until told to stop; returns the exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        return run(_settings(arguments), announce=_announce)
    except (LedgerBusyError, OSError, ValueError) as error:
        print(f"stripe twin: {error}", file=sys.stderr)  # noqa: T201 - its only way to say so
        return _USAGE_ERROR


def _settings(arguments: list[str]) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m bookpayctl.stripe_twin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the API; 0 is any free one")
    parser.add_argument("--control-port", type=int, default=0, help="of the control API")
    parser.add_argument("--host", default="127.0.0.1", help="address the API listens on")
    parser.add_argument(
        "--control-host", default="127.0.0.1", help="address the control API listens on"
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the ledger")
    parser.add_argument("--account", default="acct_twin", help="the twin's own account")
    parser.add_argument("--key-file", type=Path, help="API keys of that account, one per line")
    parser.add_argument("--endpoint", help="URL that receives events")
    parser.add_argument(
        "--event", action="append", help="type the endpoint receives, repeatable; default: every"
    )
    parser.add_argument("--secret-file", type=Path, help="its signing secrets, one per line")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of every request")
    parser.add_argument("--schedule", choices=sorted(SCHEDULES), default="local")
    parser.add_argument("--webhook-timeout-seconds", type=float, default=10.0)
    parser.add_argument("--debit-seconds", type=float, default=5.0)
    parser.add_argument("--refund-seconds", type=float, default=5.0)
    parser.add_argument("--search-lag-seconds", type=float, default=60.0)
    given = parser.parse_args(arguments)
    return Settings(
        data=given.data,
        port=given.port,
        control_port=given.control_port,
        host=given.host,
        control_host=given.control_host,
        account=given.account,
        key_file=given.key_file,
        endpoint=given.endpoint,
        secrets=read_secrets(given.secret_file) if given.secret_file else (),
        secret_file=given.secret_file,
        enabled_events=tuple(given.event or ["*"]),
        latency_milliseconds=given.latency_ms,
        schedule=given.schedule,
        webhook_timeout_seconds=given.webhook_timeout_seconds,
        debit_seconds=given.debit_seconds,
        refund_seconds=given.refund_seconds,
        search_lag_seconds=given.search_lag_seconds,
    )


def _announce(twin: StripeTwin) -> None:
    logging.getLogger("stripe_twin").info(
        "stripe twin listens on %s, control on %s", twin.url, twin.control_url
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
