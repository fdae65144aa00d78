"""`attach`: look at a stack that somebody else deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from bookpayctl.cli.options import NameOption, OutputOption, name_of, settings
from bookpayctl.cli.output import Document, OutputFormat, fail, hint, print_json, print_table
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment

NAMESPACE: Final = "bookstore-platform-payments"
TENANT: Final = "acme-books"


def attach(
    name: NameOption = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="The kubeconfig's context.")
    ] = None,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Where the services are.")
    ] = NAMESPACE,
    tenant: Annotated[str, typer.Option(metavar="ID", help="Whose the orders token is.")] = TENANT,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take over a stack that Argo CD, Flux or `kubectl apply -k` deployed; change nothing in it.

    `status`, `check`, `audit`, `replay` and the others then work on it. Drills do where the owner
    of its namespaces allows them (label bookpay.dev/drills=allowed). `down` only forgets it here.

    Example: bookpayctl attach --name staging --context staging-eu
    """
    from bookpayctl.cli.errors import explained
    from bookpayctl.targets.environment import environment_root
    from bookpayctl.targets.platforms import attach as take_over
    from bookpayctl.targets.settings import SettingsError

    values = settings({"name": name, "context": context})
    with explained(environment_root(name_of(name))):
        try:
            environment = take_over(values, namespace, tenant)
        except SettingsError as error:
            fail(str(error), ExitCode.USAGE)
    _print(environment, output)


def attached_document(environment: Environment) -> Document:
    """What was found, as a document; no secret in it."""
    body = {
        "name": environment.name,
        "context": environment.settings["context"],
        "namespaces": environment.settings["namespaces"].split(","),
        "addresses": {
            "orders": environment.orders_url,
            "webhook": environment.webhook_url,
            "stripe": environment.stripe_api_base,
            "kafka": environment.kafka_bootstrap_servers,
        },
    }
    return Document("Attached", ExitCode.PASS, "attached", body)


def _print(environment: Environment, output: OutputFormat) -> None:
    document = attached_document(environment)
    if output is OutputFormat.JSON:
        print_json(document)
        return
    print_table(("part", "address"), document.body["addresses"].items())
    flag = "" if environment.name == "default" else f" --name {environment.name}"
    hint(f"attached; next: bookpayctl status{flag}, then bookpayctl check{flag}")


def register(app: typer.Typer) -> None:
    app.command("attach")(attach)
