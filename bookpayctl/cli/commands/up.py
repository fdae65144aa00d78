"""`up` and `down`: bring an environment up and take it down again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import NameOption, OnOption, OutputOption, name_of, settings
from bookpayctl.cli.output import Document, OutputFormat, did, fail, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment
    from bookpayctl.targets.settings import Value

TimeoutOption = Annotated[
    str | None, typer.Option("--timeout", metavar="DURATION", help="Deadline, such as 90s or 2m.")
]
WebhookPortOption = Annotated[
    str | None, typer.Option(metavar="PORT", help="Pin the webhook receiver to this port.")
]
LatencyOption = Annotated[
    str | None, typer.Option(metavar="MS", help="How long the Stripe twin takes for a charge.")
]
DsnOption = Annotated[
    str | None, typer.Option(metavar="URI", help="An existing PostgreSQL; no password in it.")
]
ContextOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --on kube: the kubeconfig's context.")
]
OverlayOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="With --on kube: one of manifests/overlays, or a path."),
]
ImageOption = Annotated[
    str | None, typer.Option(metavar="REF", help="With --on kube: what every pod runs.")
]


def up(
    name: NameOption = None,
    on: OnOption = None,
    webhook_port: WebhookPortOption = None,
    twin_latency_ms: LatencyOption = None,
    failpoints: Annotated[
        bool | None, typer.Option(help="Whether drills may arm failpoints.")
    ] = None,
    shadow_mode: Annotated[
        bool | None, typer.Option(help="Call Stripe, but act on v1's outcomes only.")
    ] = None,
    tap: Annotated[
        bool | None,
        typer.Option(help="Record what the gateway says to Stripe, for `check` and `audit`."),
    ] = None,
    dsn: DsnOption = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="An existing Kafka.")
    ] = None,
    stripe_api_base: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An existing Stripe; its key and secret from STRIPE_API_KEY[_FILE] and"
            " STRIPE_WEBHOOK_SECRET[_FILE].",
        ),
    ] = None,
    context: ContextOption = None,
    overlay: OverlayOption = None,
    image: ImageOption = None,
    timeout: TimeoutOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Bring PostgreSQL, Kafka, the Stripe twin, a mail sink and all services up.

    Harmless when they are up; after a crash or a power cut it continues where they were. A cluster
    is touched only if it is kind's, or its context is in BOOKPAY_KUBE_CONTEXTS.

    Example: bookpayctl up --name shop --timeout 2m
    """
    values = settings(
        {
            "name": name,
            "on": on,
            "context": context,
            "overlay": overlay,
            "image": image,
            "webhook_port": webhook_port,
            "twin_latency_ms": twin_latency_ms,
            "failpoints": _switch(failpoints),
            "shadow_mode": _switch(shadow_mode),
            "tap": _switch(tap),
            "dsn": dsn,
            "bootstrap_servers": bootstrap_servers,
            "stripe_api_base": stripe_api_base,
            "up_timeout": timeout,
        }
    )
    environment = _up(values)
    _print_environment(environment, output)


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
    from bookpayctl.targets.environment import environment_root
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
        stopped = platform.take_down(chosen, timeout_seconds=limit, purge=purge, watch=watch)
    _print_stopped(chosen, stopped, purged=purge, output=output)


def _up(values: Mapping[str, Value]) -> Environment:
    from bookpayctl.cli.errors import explained
    from bookpayctl.cli.progress import StepProgress
    from bookpayctl.runs.interrupts import interruptible
    from bookpayctl.targets.environment import environment_root
    from bookpayctl.targets.platform import Watch
    from bookpayctl.targets.platforms import platform_of
    from bookpayctl.targets.settings import SettingsError, environment_name

    try:
        root = environment_root(environment_name(values))
        with (
            explained(root),
            interruptible(),
            StepProgress(sys.stderr) as progress,
        ):
            watch = Watch(step=progress.tell, waiting=_waiting)
            return platform_of(values).bring_up(values, os.environ, watch)
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
