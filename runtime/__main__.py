"""The composition root: `python -m runtime <service>`, also chosen by EVENTS_MODE.

The only place that names the clock, the dice and the process environment. A service's module is
imported when it is chosen, so that a worker does not pay for the gateway's SDK.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import sys
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from runtime import config, sql
from runtime.domain.names import Service
from runtime.faults.points import Failpoints
from runtime.lifecycle import Lifecycle
from runtime.process import Process
from runtime.telemetry import configure_logging

EXIT_CONFIG: Final = 2

# Service and role -> the module whose run(process) is the service.
MODULES: Final[dict[tuple[str, str | None], str]] = {
    (Service.ORDERS, "http"): "runtime.services.orders.http",
    (Service.ORDERS, "consumer"): "runtime.services.orders.consumer",
    (Service.PUBLISHER, None): "runtime.services.outbox_publisher.service",
    (Service.WORKER, None): "runtime.services.payments_worker.service",
    (Service.GATEWAY, None): "runtime.services.payments_gateway.service",
    (Service.RECEIVER, None): "runtime.services.webhook_receiver.service",
    (Service.RECONCILER, None): "runtime.services.payments_reconciler.service",
    (Service.NOTIFIER, None): "runtime.services.notifier.service",
}


def parse_arguments(argv: list[str], events_mode: str | None) -> argparse.Namespace:
    """Parse the command line; without a service it is EVENTS_MODE's."""
    parser = argparse.ArgumentParser(prog="python -m runtime", description=__doc__)
    parser.add_argument(
        "service",
        nargs="?" if events_mode else None,
        default=events_mode,
        choices=[*(service.value for service in Service), "migrate"],
        help="which service to run; `migrate` brings the database up to date and ends",
    )
    parser.add_argument("--role", choices=["http", "consumer"], help="orders-service only")
    parser.add_argument("--group", help="payments-worker only: another consumer group")
    parser.add_argument(
        "--until-end",
        action="store_true",
        help="payments-worker only: read what is there once, charge nothing, print the counts",
    )
    arguments = parser.parse_args(argv)
    if (arguments.service == Service.ORDERS) != (arguments.role is not None):
        parser.error("--role http|consumer goes with orders-service, and only with it")
    # Another group that never ended would read every order beside the workers.
    if (arguments.group is not None) != arguments.until_end:
        parser.error("--group and --until-end go together")
    if arguments.until_end and arguments.service != Service.WORKER:
        parser.error("--until-end goes with payments-worker")
    return arguments


def main(argv: list[str]) -> int:
    """Run the chosen service; returns the process's exit status."""
    arguments = parse_arguments(argv, os.environ.get("EVENTS_MODE"))
    source = config.Source(os.environ)
    try:
        if arguments.service == "migrate":
            return _migrate(source)
        process = _compose(source, arguments.service, arguments.role)
        module = importlib.import_module(MODULES[arguments.service, arguments.role])
        process.lifecycle.stop_on_signals()
        # Before the service, whose first step may be the one that a drill is after.
        process.failpoints.start()
        if arguments.until_end:
            module.run_until_end(process, arguments.group)
        else:
            module.run(process)
    except config.ConfigError as error:
        # One line and no trace: it is the operator's to mend, and it names the variable.
        sys.stderr.write(f"{arguments.service}: {error}\n")
        return EXIT_CONFIG
    return 0


def _migrate(source: config.Source) -> int:
    applied = sql.migrate(source.text("DB_DSN"))
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing to apply\n")
    return 0


def _compose(source: config.Source, service: str, role: str | None) -> Process:
    common = config.common(source, service, role)
    configure_logging(service, common.process, common.log_level)
    # New at each start: leases of an earlier life of this name can be told from ours.
    incarnation = uuid4()
    return Process(
        service=service,
        common=common,
        source=source,
        lifecycle=Lifecycle(),
        failpoints=Failpoints(
            # Without a DSN a failpoint cannot even be asked about.
            common.dsn if common.failpoints else None,
            common.process,
            incarnation,
            common.run_dir,
        ),
        incarnation=incarnation,
        rng=random.Random(),
        now=lambda: datetime.now(UTC),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
