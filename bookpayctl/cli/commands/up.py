"""`up` and `down`: bring an environment up and take it down again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.commands import up_options
from bookpayctl.cli.options import NameOption, OnOption, OutputOption, name_of, settings
from bookpayctl.cli.output import Document, OutputFormat, did, fail, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment
    from bookpayctl.targets.settings import Value

TimeoutOption = Annotated[
    str | None, typer.Option("--timeout", metavar="DURATION", help="Deadline, such as 90s or 2m.")
]


def up(
    name: NameOption = None,
    on: OnOption = None,
    webhook_port: up_options.WebhookPort = None,
    twin_latency_ms: up_options.Latency = None,
    failpoints: up_options.Failpoints = None,
    shadow_mode: up_options.ShadowMode = None,
    tap: up_options.Tap = None,
    publisher: up_options.Publisher = None,
    dsn: up_options.Dsn = None,
    bootstrap_servers: up_options.BootstrapServers = None,
    stripe_api_base: up_options.StripeApiBase = None,
    context: up_options.Context = None,
    overlay: up_options.Overlay = None,
    image: up_options.Image = None,
    operators: up_options.Operators = None,
    manifests: up_options.Manifests = None,
    archive: up_options.Archive = None,
    kind_cluster: up_options.KindCluster = None,
    kind_image: up_options.KindImage = None,
    kind_config: up_options.KindConfig = None,
    timeout: TimeoutOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Bring PostgreSQL, Kafka, the Stripe twin, a mail sink and all services up.

    Harmless when they are up; after a crash or a power cut it continues where they were. A cluster
    is touched only if it is kind's, or its context is in BOOKPAY_KUBE_CONTEXTS. With --on kind the
    cluster is made if it is not there.

    Example: bookpayctl up --name shop --timeout 2m
    """
    typed = {
        "name": name,
        "on": on,
        "context": context,
        "overlay": overlay,
        "image": image,
        "install_operators": operators,
        "operator_manifests": manifests,
        "archive": archive,
        "kind_cluster": kind_cluster,
        "kind_image": kind_image,
        "kind_config": kind_config,
        "webhook_port": webhook_port,
        "twin_latency_ms": twin_latency_ms,
        "failpoints": _switch(failpoints),
        "shadow_mode": _switch(shadow_mode),
        "tap": _switch(tap),
        "publisher": publisher,
        "dsn": dsn,
        "bootstrap_servers": bootstrap_servers,
        "stripe_api_base": stripe_api_base,
        "up_timeout": timeout,
    }
    _print_environment(_up(settings(typed)), output)


def _switch(flag: bool | None) -> str | None:
    return None if flag is None else ("on" if flag else "off")


def down(
    name: NameOption = None,
    on: OnOption = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove the environment's data too, for good.")
    ] = False,
    timeout: TimeoutOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Stop everything `up` started, and only that. Data stays, unless --purge.

    Example: bookpayctl down --name shop --purge
    """
    from bookpayctl.cli.errors import explained
    from bookpayctl.targets.environment import EnvironmentMissingError, environment_root
    from bookpayctl.targets.platform import Watch
    from bookpayctl.targets.platforms import platform_of
    from bookpayctl.targets.settings import SettingsError, seconds

    values = settings({"name": name, "on": on, "down_timeout": timeout})
    chosen = name_of(name)
    watch = Watch(step=lambda step: hint(step.text), waiting=_waiting)
    with explained(environment_root(chosen)):
        try:
            limit, platform = seconds(values, "down_timeout"), platform_of(values)
        except SettingsError as error:
            fail(str(error), ExitCode.USAGE)
        try:
            stopped = platform.take_down(chosen, timeout_seconds=limit, purge=purge, watch=watch)
        except EnvironmentMissingError as error:
            # In a cluster there may be one that another machine knows.
            fail(str(error), ExitCode.USAGE)
    _print_stopped(chosen, stopped, purged=purge, output=output)


def _up(values: Mapping[str, Value]) -> Environment:
    from bookpayctl.cli.errors import explained
    from bookpayctl.cli.progress import StepProgress
    from bookpayctl.runs.interrupts import interruptible
    from bookpayctl.targets.environment import environment_root
    from bookpayctl.targets.platform import Watch
    from bookpayctl.targets.platforms import as_chosen, platform_of
    from bookpayctl.targets.settings import SettingsError, environment_name

    try:
        root = environment_root(environment_name(values))
        with (
            explained(root),
            interruptible(),
            StepProgress(sys.stderr) as progress,
        ):
            watch = Watch(step=progress.tell, waiting=_waiting)
            return platform_of(values).bring_up(as_chosen(values), os.environ, watch)
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)


def _waiting(holder: str) -> None:
    hint(f"waiting for {holder} to finish with this environment")


def _print_environment(environment: Environment, output: OutputFormat) -> None:
    did(f"environment {environment.name} is up")
    addresses = {
        "orders": environment.orders_url,
        "webhook": environment.webhook_url,
        "gateway": environment.gateway_url,
        "stripe": environment.stripe_api_base,
        "database": environment.dsn,
        "kafka": environment.kafka_bootstrap_servers,
        "mail": str(environment.mail_dir),
    }
    if output is OutputFormat.JSON:
        processes = [
            {"name": spec.name, "service": spec.service, "port": spec.port}
            for spec in environment.processes
        ]
        body = {"name": environment.name, "addresses": addresses, "processes": processes}
        print_json(Document("Environment", ExitCode.PASS, "ready", body))
        return
    print_table(("part", "address"), addresses.items())
    flag = "" if environment.name == "default" else f" --name {environment.name}"
    hint(f'ready; next: eval "$(bookpayctl env{flag})"  or  bookpayctl status{flag}')


def _print_stopped(name: str, stopped: list[str], *, purged: bool, output: OutputFormat) -> None:
    did(f"{len(stopped)} parts of environment {name} taken down{', data removed' * purged}")
    if output is OutputFormat.JSON:
        body = {"name": name, "stopped": stopped, "purged": purged}
        print_json(Document("Down", ExitCode.PASS, "stopped" if stopped else "nothing_ran", body))
        return
    done = f"{len(stopped)} parts taken down" if stopped else "nothing ran"
    print_table(("environment", "result"), [(name, f"{done}{', data removed' * purged}")])


def register(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("down")(down)
