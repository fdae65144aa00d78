"""`stripe`: run the Stripe twin, look into it, let it misbehave, let its time pass.

Everything but `serve` talks to the control API of a running twin. A real Stripe has none, and
these commands say so instead of guessing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.commands.stripe_control import (
    CONTROL_URL_VARIABLE,
    ControlUrlOption,
    LimitOption,
    call,
    cell,
    control_url,
    is_given,
    show_answer,
    show_rows,
)
from bookpayctl.cli.commands.stripe_fault import fault_app
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import Document, OutputFormat, fail, hint, leave, print_json, print_table
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.money import shown_money

if TYPE_CHECKING:
    from bookpayctl.stripe_twin.application import StripeTwin

app = typer.Typer(
    help="The Stripe twin: a stateful stand-in for Stripe's test mode.", no_args_is_help=True
)
_clock_app = typer.Typer(help="Virtual time: keys age, debits settle.", no_args_is_help=True)
app.add_typer(fault_app, name="fault")
app.add_typer(_clock_app, name="clock")


def register(main: typer.Typer) -> None:
    main.add_typer(app, name="stripe")


@app.command()
def serve(
    data: Annotated[Path, typer.Option(help="Directory of its ledger.")] = Path(".bookpay/twin"),
    port: Annotated[int, typer.Option(help="Of the API; 0 is any free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Of the control API.")] = 0,
    host: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1",
    control_host: Annotated[
        str, typer.Option(help="Address of the control API, which asks for no key.")
    ] = "127.0.0.1",
    endpoint: Annotated[str | None, typer.Option(help="URL that receives every event.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="STRIPE_WEBHOOK_SECRET", help="What signs them; - reads it from standard input."
        ),
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="The same from a file, one per line, newest first.")
    ] = None,
    latency: Annotated[str, typer.Option(help="Of every request, e.g. 50ms.")] = "0s",
    schedule: Annotated[str, typer.Option(help="Webhook retries: local, sandbox, live.")] = "local",
    account: Annotated[str, typer.Option(help="Id of the twin's own account.")] = "acct_twin",
    key_file: Annotated[
        Path | None, typer.Option(help="API keys of that account; default: the first one used.")
    ] = None,
) -> None:
    """Run a twin in the foreground until Ctrl-C, and say how to point an application at it.

    Example: bookpayctl stripe serve --port 12111 --latency 50ms
    """
    from bookpayctl.stripe_twin.application import run
    from bookpayctl.stripe_twin.ledger.store import LedgerBusyError
    from bookpayctl.stripe_twin.settings import Settings, read_secrets

    try:
        settings = Settings(
            data=data,
            port=port,
            control_port=control_port,
            host=host,
            control_host=control_host,
            account=account,
            key_file=key_file,
            endpoint=endpoint,
            secrets=read_secrets(secret_file) if secret_file else _said(secret),
            secret_file=secret_file,
            latency_milliseconds=_seconds(latency, "--latency") * 1000,
            schedule=schedule,
        )
        code = run(settings, announce=lambda twin: _announce(twin, account))
    except (LedgerBusyError, OSError, ValueError) as error:
        fail(f"the twin cannot start: {error}", ExitCode.USAGE)
    leave(ExitCode.PASS if code == 0 else ExitCode.UNKNOWN)


def _announce(twin: StripeTwin, account: str) -> None:
    hint(f"export STRIPE_API_BASE={twin.url}")
    # Named after the account, so that it is of this one whoever comes first.
    hint(f"export STRIPE_API_KEY=sk_test_{account.removeprefix('acct_')}_1")
    for secret in twin.signing_secrets()[:1]:
        hint(f"export STRIPE_WEBHOOK_SECRET={secret}")
    hint(f"export {CONTROL_URL_VARIABLE}={twin.control_url}")
    hint("ready; stop with Ctrl-C")


def _said(secret: str | None) -> tuple[str, ...]:
    """The secret of `--secret`; none at all means that the twin makes one up."""
    if secret is None:
        return ()
    said = sys.stdin.readline().strip() if secret == "-" else secret.strip()  # noqa: S105 - a dash
    if not said:
        fail("--secret is empty, which makes every signature forgeable", ExitCode.USAGE)
    return (said,)


@app.command()
def status(
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Counts of requests, executions (in each currency), events and webhooks; clock and faults.

    Example: bookpayctl stripe status -o json
    """
    answer = call(control_url(url, name), "GET", "/status")
    if output is OutputFormat.JSON:
        print_json(Document("StripeTwinStatus", ExitCode.PASS, "ok", answer))
        return
    rows: list[tuple[str, object]] = []
    for key, value in answer.items():
        if key == "executions":
            rows.extend(
                (f"{key}.{kind}", f"{sums['count']}, {shown_money(sums['amount'], currency)}")
                for kind, currencies in value.items()
                for currency, sums in currencies.items()
            )
        elif isinstance(value, dict):
            rows.extend((f"{key}.{inner}", cell(part)) for inner, part in value.items())
        else:
            rows.append((key, value))
    print_table(("what", "value"), rows)


@app.command()
def requests(
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    event_id: Annotated[str | None, typer.Option(help="metadata.event_id.")] = None,
    flag: Annotated[
        str | None, typer.Option(help="keyless, unknown_key or key_not_event_id.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Id of an account; default: all.")] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The journal of API requests: key, status, replayed or executed, what became of the answer.

    Example: bookpayctl stripe requests --flag keyless --limit 10
    """
    query = {"key": key, "event_id": event_id, "flag": flag, "account": account}
    columns = ("n", "method", "path", "status", "replayed", "executed", "delivered")
    shown = (*columns, "idempotency_key", "flags", "account")
    show_rows(control_url(url, name), "/requests", query, limit, shown, "StripeRequests", output)


@app.command()
def charges(
    event_id: Annotated[str | None, typer.Option(help="metadata.event_id.")] = None,
    payment_intent: Annotated[str | None, typer.Option(help="Id of a PaymentIntent.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="charge, capture, decline, refund, ...; default: all.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Id of an account; default: all.")] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """What was really executed, one row each; `charge` and `capture` are money taken.

    Example: bookpayctl stripe charges --kind charge --limit 10
    """
    query = {
        "event_id": event_id,
        "payment_intent": payment_intent,
        "kind": kind,
        "account": account,
    }
    columns = ("n", "kind", "amount", "payment_intent", "charge", "refund")
    shown = (*columns, "idempotency_key", "event_id", "account")
    show_rows(
        control_url(url, name), "/executions", query, limit, shown, "StripeExecutions", output
    )


@app.command()
def events(
    event_id: Annotated[str | None, typer.Option(help="Id of an event (evt_...).")] = None,
    outcome: Annotated[str | None, typer.Option(help="delivered, refused, no_answer, ...")] = None,
    account: Annotated[str | None, typer.Option(help="Id of an account; default: all.")] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The log of webhook deliveries, one row for each attempt.

    Example: bookpayctl stripe events --outcome refused
    """
    query = {"event_id": event_id, "outcome": outcome, "account": account}
    columns = ("n", "event_id", "event_type", "endpoint_id", "attempt", "outcome", "status")
    shown = (*columns, "fault", "account")
    show_rows(
        control_url(url, name), "/deliveries", query, limit, shown, "StripeDeliveries", output
    )


@app.command()
def deliver(
    event_id: Annotated[str, typer.Argument(metavar="EVENT", help="Id of an event (evt_...).")],
    endpoint: Annotated[str | None, typer.Option(help="Only to this endpoint (we_...).")] = None,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Send an event again, freshly signed.

    Example: bookpayctl stripe deliver EVENT
    """
    body = {"event": event_id} | ({"endpoint": endpoint} if endpoint else {})
    answer = call(control_url(url, name), "POST", "/deliver", body)
    show_answer("StripeDelivery", answer, output)


@app.command()
def complete(
    payment_intent: Annotated[str, typer.Argument(metavar="PI", help="Id of a PaymentIntent.")],
    failing: Annotated[
        bool, typer.Option("--fail", help="Authentication or the debit fails instead.")
    ] = False,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Authenticate a PaymentIntent that requires action; decide one that is processing.

    Example: bookpayctl stripe complete PI --fail
    """
    body = {"payment_intent": payment_intent, "succeed": not failing}
    answer = call(control_url(url, name), "POST", "/complete", body)
    shown = {key: answer[key] for key in ("id", "status", "latest_charge", "account")}
    show_answer("StripePaymentIntent", answer if output is OutputFormat.JSON else shown, output)


@_clock_app.command("show")
def clock_show(
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Virtual time and its offset to the machine's.

    Example: bookpayctl stripe clock show
    """
    show_answer("StripeClock", call(control_url(url, name), "GET", "/clock"), output)


@_clock_app.command("advance")
def clock_advance(
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="e.g. 25h")],
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let virtual time pass: idempotency keys age, retries fall due, debits settle.

    The clock of the environment goes along; a twin given by its URL has no environment.

    Example: bookpayctl stripe clock advance 1s
    """
    alone = is_given(url)
    body = {"seconds": _seconds(duration, "DURATION")}
    answer = call(control_url(url, name), "POST", "/clock/advance", body)
    if alone:
        hint("only the twin's clock was moved: its URL was given, not its environment")
    else:
        _align_environment_clock(name, float(answer["offset_seconds"]))
    show_answer("StripeClock", answer, output)


def _align_environment_clock(name: str | None, offset_seconds: float) -> None:
    """Give the environment the twin's offset; run again, it repairs what was interrupted."""
    from bookpayctl.clients.database import DatabaseError
    from bookpayctl.clients.environment_clock import align

    try:
        align(environment_of(name).dsn, offset_seconds)
    except DatabaseError as error:
        fail(
            f"the twin's clock is {offset_seconds:g} s ahead, the environment's was not moved: "
            f"{error}",
            ExitCode.UNKNOWN,
            fix="bookpayctl stripe clock advance 0s, once the database answers",
        )


def _seconds(text: str, what: str) -> float:
    """Seconds in a duration; exit 2 when it is none."""
    from bookpayctl.targets.settings import parse_duration

    try:
        return parse_duration(text)
    except ValueError:
        fail(f"{what}: {text!r} is no duration such as 50ms, 90s or 25h", ExitCode.USAGE)
