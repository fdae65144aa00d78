"""`stripe`: run the Stripe twin, look into it, let it misbehave, let its time pass.

Everything but `serve` talks to the control API of a running twin. A real Stripe has none, and
these commands say so instead of guessing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.render import Document, OutputFormat, fail, hint, leave, print_json, print_table
from bookpayctl.report import ExitCode

CONTROL_URL_VARIABLE: Final = "BOOKPAY_STRIPE_CONTROL_URL"
_TIMEOUT_SECONDS: Final = 30.0

app = typer.Typer(
    help="The Stripe twin: a stateful stand-in for Stripe's test mode.", no_args_is_help=True
)
_fault_app = typer.Typer(help="Make requests and webhooks go wrong.", no_args_is_help=True)
_clock_app = typer.Typer(help="Virtual time: keys age, debits settle.", no_args_is_help=True)
app.add_typer(_fault_app, name="fault")
app.add_typer(_clock_app, name="clock")

ControlUrlOption = Annotated[
    str | None,
    typer.Option("--control-url", metavar="URL", help="Of the twin; default: the environment's."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many rows, the newest.")
]


def register(main: typer.Typer) -> None:
    main.add_typer(app, name="stripe")


def control_url(given: str | None, name: str | None) -> str:
    """Where the twin's control API is: flag, then variable, then the environment's state."""
    found = given or os.environ.get(CONTROL_URL_VARIABLE)
    if not found:
        found = environment_of(name).stripe_control_url
    if not found:
        fail(
            "this environment does not use the Stripe twin, so there is nothing to control",
            ExitCode.USAGE,
        )
    return found.rstrip("/")


def call(
    url: str,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    query: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Ask the control API; ends the command with 2 for a refusal, 3 when nobody answers."""
    import urllib3

    fields = {name: str(value) for name, value in (query or {}).items() if value is not None}
    try:
        response = urllib3.request(
            method,
            f"{url}{path}",
            fields=fields if method == "GET" else None,
            body=json.dumps(body or {}).encode() if method != "GET" else None,
            timeout=_TIMEOUT_SECONDS,
            retries=False,
        )
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        fail(f"{method} {url}{path}: {error}", ExitCode.UNKNOWN, fix="bookpayctl status")
    try:
        answer = json.loads(response.data)
    except ValueError:
        fail(f"{method} {url}{path} did not answer JSON; is it a twin?", ExitCode.UNKNOWN)
    if response.status != 200:
        message = answer.get("error", {}).get("message", response.status)
        fail(f"the twin refused: {message}", ExitCode.USAGE)
    return dict(answer)


@app.command()
def serve(
    data: Annotated[Path, typer.Option(help="Directory of its ledger.")] = Path(".bookpay/twin"),
    port: Annotated[int, typer.Option(help="Of the API; 0 is any free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Of the control API.")] = 0,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    endpoint: Annotated[str | None, typer.Option(help="URL that receives every event.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="Its signing secrets, one per line, newest first.")
    ] = None,
    latency: Annotated[str, typer.Option(help="Of every request, e.g. 50ms.")] = "0s",
    schedule: Annotated[str, typer.Option(help="Webhook retries: local, sandbox, live.")] = "local",
    account: Annotated[str, typer.Option(help="Id of the account.")] = "acct_twin",
) -> None:
    """Run a twin in the foreground until Ctrl-C, and say how to point an application at it."""
    from bookpayctl.stripe_twin.application import Twin, run
    from bookpayctl.stripe_twin.ledger.store import LedgerBusyError
    from bookpayctl.stripe_twin.settings import Settings, read_secrets

    def announce(twin: Twin) -> None:
        hint(f"export STRIPE_API_BASE={twin.url}")
        hint("export STRIPE_API_KEY=sk_test_twin      # any sk_test_ or rk_test_ key works")
        for secret in twin.signing_secrets():
            hint(f"export STRIPE_WEBHOOK_SECRET={secret}")
        hint(f"export {CONTROL_URL_VARIABLE}={twin.control_url}")
        hint("ready; stop with Ctrl-C")

    try:
        settings = Settings(
            data=data,
            port=port,
            control_port=control_port,
            host=host,
            account=account,
            endpoint=endpoint,
            secrets=read_secrets(secret_file) if secret_file else (),
            latency_milliseconds=_seconds(latency, "--latency") * 1000,
            schedule=schedule,
        )
        code = run(settings, announce=announce)
    except (LedgerBusyError, OSError, ValueError) as error:
        fail(f"the twin cannot start: {error}", ExitCode.USAGE)
    leave(ExitCode.PASS if code == 0 else ExitCode.UNKNOWN)


@app.command()
def status(
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Counts of requests, executions, events and webhooks; the clock and active faults."""
    answer = call(control_url(url, name), "GET", "/status")
    if output is OutputFormat.JSON:
        print_json(Document("StripeTwinStatus", ExitCode.PASS, "ok", answer))
        return
    rows: list[tuple[str, object]] = []
    for key, value in answer.items():
        if isinstance(value, dict):
            rows.extend((f"{key}.{inner}", _cell(cell)) for inner, cell in value.items())
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
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The journal of API requests: key, status, replayed or executed, what became of the answer."""
    query = {"key": key, "event_id": event_id, "flag": flag}
    shown = "n method path status replayed executed delivered idempotency_key flags".split()
    _show(control_url(url, name), "/requests", query, limit, shown, "StripeRequests", output)


@app.command()
def charges(
    event_id: Annotated[str | None, typer.Option(help="metadata.event_id.")] = None,
    payment_intent: Annotated[str | None, typer.Option(help="Id of a PaymentIntent.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="charge, capture, decline, refund, ...; default: all.")
    ] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """What was really executed, one row each; `charge` and `capture` are money taken."""
    query = {"event_id": event_id, "payment_intent": payment_intent, "kind": kind}
    shown = "n kind amount currency payment_intent charge refund idempotency_key event_id".split()
    _show(control_url(url, name), "/executions", query, limit, shown, "StripeExecutions", output)


@app.command()
def events(
    event_id: Annotated[str | None, typer.Option(help="Id of an event (evt_...).")] = None,
    outcome: Annotated[str | None, typer.Option(help="delivered, refused, no_answer, ...")] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The log of webhook deliveries, one row for each attempt."""
    query = {"event_id": event_id, "outcome": outcome}
    shown = ("n", "event_id", "event_type", "endpoint_id", "attempt", "outcome", "status", "fault")
    _show(control_url(url, name), "/deliveries", query, limit, shown, "StripeDeliveries", output)


@app.command()
def deliver(
    event_id: Annotated[str, typer.Argument(metavar="EVENT", help="Id of an event (evt_...).")],
    endpoint: Annotated[str | None, typer.Option(help="Only to this endpoint (we_...).")] = None,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Send an event again, freshly signed."""
    body = {"event": event_id} | ({"endpoint": endpoint} if endpoint else {})
    answer = call(control_url(url, name), "POST", "/deliver", body)
    _print("StripeDelivery", answer, output)


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
    """Authenticate a PaymentIntent that requires action; decide one that is processing."""
    body = {"payment_intent": payment_intent, "succeed": not failing}
    answer = call(control_url(url, name), "POST", "/complete", body)
    shown = {key: answer[key] for key in ("id", "status", "latest_charge")}
    _print("StripePaymentIntent", answer if output is OutputFormat.JSON else shown, output)


@_clock_app.command("show")
def clock_show(
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Virtual time and its offset to the machine's."""
    _print("StripeClock", call(control_url(url, name), "GET", "/clock"), output)


@_clock_app.command("advance")
def clock_advance(
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="e.g. 25h")],
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let virtual time pass: idempotency keys age, retries fall due, debits settle."""
    body = {"seconds": _seconds(duration, "DURATION")}
    _print("StripeClock", call(control_url(url, name), "POST", "/clock/advance", body), output)


@_fault_app.command("add")
def fault_add(
    action: Annotated[str, typer.Argument(help="e.g. execute_then_cut, saved_500, webhook_drop")],
    match: Annotated[
        list[str] | None,
        typer.Option(
            help="FIELD=VALUE, repeatable: method, path, key, payment_method, event_type, "
            "endpoint_id or metadata.NAME; a path or event_type may end in *."
        ),
    ] = None,
    number: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER of the action, e.g. seconds=2.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Act so many times.")] = None,
    probability: Annotated[float, typer.Option(help="Chance to act on a match.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the chance.")] = 0,
    should_retry: Annotated[
        str | None, typer.Option(help="Stripe-Should-Retry: true, false or absent.")
    ] = None,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Arm a fault; an unknown action is answered with the list of all."""
    body: dict[str, object] = {"action": action, "probability": probability, "seed": seed}
    body["match"] = _match(match or [])
    body["numbers"] = _numbers(number or [])
    if count is not None:
        body["count"] = count
    if should_retry is not None:
        body["should_retry"] = should_retry
    _print("StripeFault", call(control_url(url, name), "POST", "/faults", body), output)


@_fault_app.command("list")
def fault_list(
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """The active faults."""
    columns = ("id", "action", "match", "remaining", "probability", "numbers")
    _show(control_url(url, name), "/faults", {}, None, columns, "StripeFaults", output)


@_fault_app.command("hits")
def fault_hits(
    fault_id: Annotated[str | None, typer.Option(help="Of one fault.")] = None,
    limit: LimitOption = 50,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """What faults did; each row was on disk before its fault acted."""
    shown = ("n", "fault_id", "action", "idempotency_key", "path", "event_id")
    query = {"fault_id": fault_id}
    _show(control_url(url, name), "/fault-hits", query, limit, shown, "StripeFaultHits", output)


@_fault_app.command("clear")
def fault_clear(
    fault_id: Annotated[str | None, typer.Argument(metavar="ID", help="Default: all.")] = None,
    url: ControlUrlOption = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Disarm one fault or all of them."""
    path = f"/faults/{fault_id}" if fault_id else "/faults"
    _print("StripeFaultsCleared", call(control_url(url, name), "DELETE", path), output)


def _show(
    url: str,
    path: str,
    query: Mapping[str, object],
    limit: int | None,
    columns: Sequence[str],
    kind: str,
    output: OutputFormat,
) -> None:
    """Rows of one collection; of more than `limit` the newest, and stderr says so."""
    answer = call(url, "GET", path, query=query)
    rows: list[dict[str, Any]] = answer["data"]
    if limit is not None and len(rows) > limit:
        hint(f"the newest {limit} of {len(rows)}; --limit shows more")
        rows = rows[-limit:]
    if output is OutputFormat.JSON:
        print_json(Document(kind, ExitCode.PASS, "ok", {"data": rows}))
        return
    print_table(columns, ([_cell(row.get(column)) for column in columns] for row in rows))


def _print(kind: str, answer: Mapping[str, Any], output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json(Document(kind, ExitCode.PASS, "ok", answer))
        return
    print_table(("what", "value"), ((key, _cell(value)) for key, value in answer.items()))


def _cell(value: object) -> str:
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{key}={_cell(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(text: str, what: str) -> float:
    """Seconds in a Go-style duration; `ms` too."""
    from bookpayctl.targets.settings import parse_duration

    try:
        return float(text[:-2]) / 1000 if text.endswith("ms") else parse_duration(text)
    except ValueError:
        fail(f"{what}: {text!r} is no duration such as 50ms, 90s or 25h", ExitCode.USAGE)


def _match(pairs: Sequence[str]) -> dict[str, object]:
    match: dict[str, object] = {}
    metadata: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"--match {pair!r} is not FIELD=VALUE", ExitCode.USAGE)
        if name.startswith("metadata."):
            metadata[name.removeprefix("metadata.")] = value
        else:
            match[name] = value
    return match | ({"metadata": metadata} if metadata else {})


def _numbers(pairs: Sequence[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            fail(f"--number {pair!r} is not NAME=NUMBER", ExitCode.USAGE)
    return numbers
