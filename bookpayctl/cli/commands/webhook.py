"""`webhook`: forge some to see them refused, send one to see it believed, look at quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bookpayctl.cli.commands.webhook_quarantine import quarantine_app
from bookpayctl.cli.errors import database_answers
from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    did,
    fail,
    hint,
    leave,
    print_json,
    print_table,
)
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    SelftestOption,
    VerboseOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.clients.http import HttpAnswer
    from bookpayctl.forgery.case import Case, ForgedPayment
    from bookpayctl.report.result import Report
    from bookpayctl.targets.environment import Environment

app = typer.Typer(
    help="Stripe's webhooks: forge them, send them, look at what was set aside.",
    no_args_is_help=True,
)
app.add_typer(quarantine_app, name="quarantine")

ANSWER_SECONDS_MAX: Final = 15.0

STATUSES: Final = {
    "payment_intent.succeeded": "succeeded",
    "payment_intent.payment_failed": "requires_payment_method",
    "payment_intent.canceled": "canceled",
    "payment_intent.processing": "processing",
    "payment_intent.requires_action": "requires_action",
}
"""The PaymentIntent's status that goes with each event the receiver acts on."""


def register(main: typer.Typer) -> None:
    main.add_typer(app, name="webhook")


@app.command()
def forge(
    case: Annotated[
        list[str] | None, typer.Option("--case", metavar="ID", help="W01 to W44; repeatable.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every case.")] = False,
    name: NameOption = None,
    selftest: SelftestOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Send webhooks that must be refused, and some that must not, and judge each answer.

    A webhook is believed for its signature alone: HMAC-SHA256 over `<t>.<raw body>`, keyed by a
    secret only Stripe and the receiver have. Whoever gets one believed without it marks any order
    paid. So each case sends one way to try: no header (W01), a timestamp only int() reads (W07),
    yesterday's event (W11), a body changed after signing (W23), a lie about the sum (W40).

    Before each case an honest event is sent; if that is not received, the case is unknown, because
    a receiver that refuses everything refuses forgeries too. Refused bodies must leave no row.

    Exit codes: 0 every answer as required, 1 not, 3 a control was not received or no answer came,
    5 nothing was sent. W22 waits for slow clients to be shown the door and takes half a minute.
    --selftest sends the chosen ones to receivers that are wrong on purpose, on this machine.

    Example: bookpayctl webhook forge --case W07 --case W13 -v
    """
    files = report_files(report, output)
    chosen = _chosen(case, every)
    if selftest:
        finish(_selftest(chosen), output, files, detailed=verbose)
    finish(_forge(environment_of(name), chosen), output, files, detailed=verbose)


def _chosen(wanted: list[str] | None, every: bool) -> list[Case]:
    """The cases asked for, in the table's order; exit 2 when none or an unknown one is."""
    from bookpayctl.forgery import CASES

    known = {case.id: case for case in CASES}
    if every == bool(wanted):
        fail("give --all, or --case W01 (repeatable), and not both", ExitCode.USAGE)
    unknown = [text for text in wanted or [] if text.upper() not in known]
    if unknown:
        fail(f"no case {unknown[0]!r}; there are W01 to W44", ExitCode.USAGE)
    asked = {text.upper() for text in wanted or []}
    return [case for case in CASES if every or case.id in asked]


def _selftest(chosen: list[Case]) -> Report:
    """Send the chosen cases to what is wrong on purpose."""
    from bookpayctl.controls.catalogue import controls_asking
    from bookpayctl.selftest.report import selftest_report
    from bookpayctl.selftest.stacks import question_items

    questions = {case.id: case.title for case in chosen}
    controls = controls_asking("webhook", questions)
    return selftest_report("webhook forge", question_items(controls, questions, hint))


def _forge(environment: Environment, chosen: list[Case]) -> Report:
    """Send them in a run of their own, unless an earlier run still has something to put back."""
    from bookpayctl.forgery.forge import Forger
    from bookpayctl.session import RefusedError, open_session, refused_report

    try:
        if not environment.webhook_url.startswith("http://"):
            raise RefusedError(
                f"{environment.webhook_url} is not plain http, and cases are bytes on a socket"
            )
        with open_session(environment, "forge", hint) as session:
            forger = Forger(environment, session.run, hint)
            forger.send(chosen)
    except RefusedError as refused:
        return refused_report("ForgeReport", environment, refused)
    report = forger.report()
    return replace(report, incidents=(*report.incidents, *session.incidents))


@app.command()
def send(
    event: Annotated[
        str, typer.Argument(metavar="EVENT", help="Its type, e.g. payment_intent.succeeded.")
    ],
    order: Annotated[
        str | None, typer.Option("--order", metavar="ID", help="About this order's payment.")
    ] = None,
    payment_intent: Annotated[
        str | None, typer.Option(metavar="PI", help="About this PaymentIntent (pi_...).")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="The PaymentIntent's; default: what goes with EVENT.")
    ] = None,
    name: NameOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Sign an event as Stripe would and send it to the receiver.

    stripe-mock never sends the webhook that closes a payment; this does. With the twin or a
    sandbox it is for trying things: the event is genuine to the receiver and unknown to Stripe, so
    it is kept in a run: the audit, which looks for forgeries, leaves out what we sent ourselves.

    Without --order or --payment-intent the event is about a customer nobody knows: stored, and
    without effect. With one of them it says what it says about that payment's PaymentIntent, with
    its amount, currency and metadata, so that the receiver believes it; with both, about a
    PaymentIntent the worker has not stored yet. The signing secret is read from the environment's
    file.

    Exit codes: 0 received, 1 refused, 2 no such payment, 3 no answer.

    Example: bookpayctl webhook send payment_intent.succeeded --order ord_...
    """
    environment = environment_of(name)
    if (status or order or payment_intent) and event not in STATUSES:
        fail(
            f"{event!r} is not about a PaymentIntent; there are {', '.join(STATUSES)}",
            ExitCode.USAGE,
        )
    document = _event(environment, event, order, payment_intent, status)
    _deliver(environment, document, output)


def _event(
    environment: Environment,
    kind: str,
    order: str | None,
    payment_intent: str | None,
    status: str | None,
) -> dict[str, Any]:
    from bookpayctl.forgery.case import event
    from bookpayctl.forgery.payments import intent_event

    if order is None and payment_intent is None:
        return event(type=kind)
    with database_answers(environment):
        payment = _payment_of(environment, order, payment_intent)
    return intent_event(payment, kind, status=status or STATUSES[kind])


def _payment_of(
    environment: Environment, order: str | None, payment_intent: str | None
) -> ForgedPayment:
    """The payment as the database knows it; exit 2 when it does not, or has no PaymentIntent."""
    from bookpayctl.forgery.known_payment import find_payment

    payment = find_payment(environment, order=order, payment_intent=payment_intent)
    if payment is None:
        fail(
            f"no payment for {order or payment_intent}",
            ExitCode.USAGE,
            fix="bookpayctl order list",
        )
    if payment.payment_intent_id is None:
        fail(
            f"the payment of {order} has no PaymentIntent yet; name one with --payment-intent",
            ExitCode.USAGE,
            fix=f"bookpayctl order trace {order}",
        )
    return payment.as_told()


def _deliver(environment: Environment, document: dict[str, Any], output: OutputFormat) -> None:
    """Sign, send, and end the command with what the answer means."""
    import json

    from bookpayctl.clients.http import ask
    from bookpayctl.forgery.forge import signing_secret
    from bookpayctl.forgery.signing import stripe_signature
    from bookpayctl.load import probe_orders
    from bookpayctl.runs import directory

    content = json.dumps(document).encode()
    now = probe_orders.wall_clock_seconds()
    # Kept before it is sent: an audit knows a forgery of ours by the run that says so.
    run = directory.begin(environment.runs_dir, "webhook")
    run.probe("stripe_event", document["id"])
    answer = ask(
        "POST",
        environment.webhook_url,
        content=content,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": stripe_signature(
                content, secret=signing_secret(environment), at=now
            ),
        },
        timeout_seconds=ANSWER_SECONDS_MAX,
    )
    run.journal("webhook_answered", event_id=document["id"], status=answer.status)
    if answer.status is None:
        fail(
            f"the receiver at {environment.webhook_url} did not answer: {answer.error}",
            ExitCode.UNKNOWN,
            fix="bookpayctl status",
        )
    sent = webhook_sent(document, answer)
    did(f"event {document['id']} sent, and answered {answer.status}")
    if output is OutputFormat.JSON:
        print_json(sent)
    else:
        print_table(list(sent.body), [list(sent.body.values())])
    if sent.code is ExitCode.PASS:
        hint("received, which is not yet believed: bookpayctl webhook quarantine list")
    leave(sent.code)


def webhook_sent(event: Mapping[str, Any], answer: HttpAnswer) -> Document:
    """Which event was sent, and what the receiver answered, as a document."""
    code, reason = ExitCode.PASS, "received"
    if answer.status != 200:
        code, reason = ExitCode.VIOLATED, f"refused_{answer.status}"
    body = {
        "event_id": event["id"],
        "type": event["type"],
        "object_id": event["data"]["object"]["id"],
        "status": answer.status,
        "answer": answer.text,
    }
    return Document("WebhookSent", code, reason, body)
