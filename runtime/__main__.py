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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import psycopg

from runtime import config, metrics, sql, tracing, version
from runtime.domain.names import Service
from runtime.faults.points import Failpoints
from runtime.lifecycle import Lifecycle
from runtime.process import Process
from runtime.telemetry import configure_logging

EXIT_CONFIG: Final = 2
EXIT_STOPPED: Final = 143

MIGRATE: Final = "migrate"
AWAIT_SCHEMA: Final = "await-schema"

# Sixteen pods of a fresh stack ask at this pace until the migration is through.
SCHEMA_POLL_SECONDS: Final = 1.0

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
        choices=[*(service.value for service in Service), MIGRATE, AWAIT_SCHEMA],
        help="which service to run; `migrate` brings the database up to date and ends,"
        " `await-schema` ends when somebody has",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="migrate, await-schema: how long to wait for the database; default: one try, for ever",
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
    if arguments.timeout is not None and arguments.service not in (MIGRATE, AWAIT_SCHEMA):
        parser.error("--timeout goes with migrate and await-schema")
    return arguments


def main(argv: list[str]) -> int:
    """Run the chosen service; returns the process's exit status."""
    arguments = parse_arguments(argv, os.environ.get("EVENTS_MODE"))
    source = config.Source(os.environ)
    try:
        if arguments.service == MIGRATE:
            return _migrate(config.dsn(source), arguments.timeout or 0.0)
        if arguments.service == AWAIT_SCHEMA:
            return _await_schema(config.dsn(source), arguments.timeout)
        process = _compose(source, arguments.service, arguments.role)
        module = importlib.import_module(MODULES[arguments.service, arguments.role])
        process.lifecycle.stop_on_signals()
        # Before the service, whose first step may be the one that a drill is after.
        process.failpoints.start()
        with _traced(process.common, arguments.service):
            if arguments.until_end:
                module.run_until_end(process, arguments.group)
            else:
                module.run(process)
    except config.ConfigError as error:
        # One line and no trace: it is the operator's to mend, and it names the variable.
        sys.stderr.write(f"{arguments.service}: {error}\n")
        return EXIT_CONFIG
    return 0


@contextmanager
def _traced(common: config.Common, service: str) -> Iterator[None]:
    """Have spans exported while the service runs, where a collector is named."""
    if common.otlp_endpoint is None:
        yield
        return
    # Here, because nobody else is to wait for the SDK or to hold it in memory.
    otlp = importlib.import_module("runtime.adapters.otlp")
    with otlp.exporting(common, service) as sink:
        tracing.send_to(sink)
        yield


def _migrate(dsn: str, timeout_seconds: float) -> int:
    """Apply what is missing, waiting so long for a database that is not there yet."""
    stop = _stop_on_signals()
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            applied = sql.migrate(dsn)
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise
            _tell(f"waiting for the database: {_first_line(error)}")
        else:
            sys.stdout.write(
                "".join(f"applied {name}\n" for name in applied) or "nothing to apply\n"
            )
            return 0
        if stop.wait(SCHEMA_POLL_SECONDS):
            return EXIT_STOPPED


def _await_schema(dsn: str, timeout_seconds: float | None) -> int:
    """Wait until every migration of this code is recorded; applies none.

    What a pod runs before its service, which would find no tables and end: pods and the migration
    may then come in any order. Without a limit, because whoever reads the pod's state sees it wait,
    and a restart would only wait again.
    """
    stop = _stop_on_signals()
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    told = ""
    while True:
        reason = _why_not_yet(dsn)
        if not reason:
            return 0
        if deadline is not None and time.monotonic() >= deadline:
            _tell(f"gave up: {reason}")
            return 1
        # Once for each reason: it may be asked for minutes.
        if reason != told:
            _tell(f"waiting: {reason}")
            told = reason
        if stop.wait(SCHEMA_POLL_SECONDS):
            return EXIT_STOPPED


def _why_not_yet(dsn: str) -> str:
    """What is missing of the schema, in words; empty when nothing is."""
    try:
        missing = sql.missing(dsn)
    except psycopg.OperationalError as error:
        return f"the database does not answer: {_first_line(error)}"
    if not missing:
        return ""
    return f"{len(missing)} migrations are not applied, the first is {missing[0]}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _stop_on_signals() -> threading.Event:
    lifecycle = Lifecycle()
    lifecycle.stop_on_signals()
    return lifecycle.stop


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _compose(source: config.Source, service: str, role: str | None) -> Process:
    common = config.common(source, service, role)
    configure_logging(service, common.process, common.log_level)
    metrics.BUILD.labels(version.package_version(), version.source_digest()).set(1)
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
