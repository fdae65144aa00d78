"""`load`: orders at a steady rate, with what clients saw and how long it took to be paid."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bookpayctl.cli.options import NameOption, OutputOption, environment_of
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    did,
    fail,
    hint,
    is_interactive,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.exit_code import ExitCode, worst

if TYPE_CHECKING:
    import threading

    from bookpayctl.load.plan import Arrival, OrderKind
    from bookpayctl.load.sender import Accepted, Load, SettledOrders
    from bookpayctl.runs.directory import Run
    from bookpayctl.targets.environment import Environment


def load(
    name: NameOption = None,
    rate: Annotated[float, typer.Option(min=0.1, max=5000, help="Orders per second.")] = 50.0,
    duration: Annotated[str, typer.Option(metavar="DURATION", help="For how long.")] = "30s",
    mix: Annotated[
        str, typer.Option(metavar="KIND=N,...", help="Shares of ok, declined and slow.")
    ] = "ok=80,declined=15,slow=5",
    seed: Annotated[int, typer.Option(help="The same seed sends the same load.")] = 0,
    settle: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait for the last payment.")
    ] = "60s",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Place orders in open loop: each at its planned time, answered or not.

    Every call goes into the run's client history, before and after; a time-out is unknown, never
    failed. Feed it to `bookpayctl audit --history`.

    Example: bookpayctl load --rate 20 --duration 5s --mix ok=90,declined=10
    """
    from bookpayctl.cli.durations import duration_of
    from bookpayctl.cli.errors import database_answers
    from bookpayctl.load import plan
    from bookpayctl.load.sender import read_settled
    from bookpayctl.runs import directory

    duration_seconds = duration_of(duration, "--duration")
    settle_seconds = duration_of(settle, "--settle")
    try:
        shares = plan.parse_mix(mix)
    except plan.MixError as error:
        fail(f"--mix: {error}", ExitCode.USAGE)
    environment = environment_of(name)
    planned = plan.plan_arrivals(
        rate_per_second=rate, duration_seconds=duration_seconds, mix=shares, seed=seed
    )
    if not planned:
        fail(f"{rate:g}/s for {duration} plans no order at all", ExitCode.VACUOUS)
    run = directory.begin(environment.runs_dir, "load")
    run.journal("begin", rate=rate, duration=duration, mix=_mix_text(shares), seed=seed)
    accepted, stopped_by = _send(environment, run, planned)
    rest = _settle(environment, settle_seconds) if stopped_by is None else "not waited for"
    with database_answers(environment):
        settled = read_settled(environment, planned, key_prefix=f"{run.run_id}-")
    _finish(run, accepted, settled, rest, stopped_by, output)


def _mix_text(shares: dict[OrderKind, int]) -> str:
    return ",".join(f"{kind.value}={weight}" for kind, weight in shares.items())


def _send(
    environment: Environment, run: Run, planned: list[Arrival]
) -> tuple[Accepted, ExitCode | None]:
    """Send it all; on a signal stop sending, wait for the answers under way, and say which."""
    import threading

    from bookpayctl.cli.errors import database_answers
    from bookpayctl.load.history import HistoryFile
    from bookpayctl.load.probe_orders import ProbeError
    from bookpayctl.load.sender import Load

    prefix = f"{run.run_id}-"
    history = HistoryFile(
        run.history_path,
        run_id=run.run_id,
        tenant_id=environment.tenant_id,
        key_prefix=prefix,
    )
    stop = threading.Event()
    try:
        with database_answers(environment):
            sending = Load(environment, planned, history, key_prefix=prefix)
        return _watched(sending, stop, len(planned))
    except ProbeError as error:
        fail(str(error), ExitCode.VACUOUS, fix="bookpayctl up")
    finally:
        history.close()


def _watched(
    sending: Load, stop: threading.Event, planned: int
) -> tuple[Accepted, ExitCode | None]:
    """Run the load with a live line on a terminal, one line every few seconds elsewhere."""
    from bookpayctl.cli.progress import LoadLines, live_load
    from bookpayctl.runs.interrupts import noticed
    from bookpayctl.session import code_of_signal

    with noticed(stop.set) as signals:
        if is_interactive(sys.stderr):
            with live_load(planned) as show:
                result = sending.run(stop, show)
        else:
            result = sending.run(stop, LoadLines(planned))
    return result, code_of_signal(signals[0]) if signals else None


def _settle(environment: Environment, seconds: float) -> str | None:
    """Wait for rest; None when it came, else what still moves."""
    from bookpayctl.cli.errors import database_answers
    from bookpayctl.judge.quiescence import wait_until_quiescent

    hint("waiting for the last payment")
    with database_answers(environment):
        rest = wait_until_quiescent(environment, deadline_seconds=seconds)
    return None if rest.reached else rest.value.sentence()


def _finish(
    run: Run,
    accepted: Accepted,
    settled: SettledOrders,
    rest: str | None,
    stopped_by: ExitCode | None,
    output: OutputFormat,
) -> None:
    document = load_report(run, accepted, settled, rest, stopped_by)
    did(f"{accepted.ok} orders accepted in run {run.run_id}; history: {run.history_path}")
    document = _kept(run, document)
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        _print_table(accepted, settled, document.body)
        print_line(f"exit {int(document.code)} ({document.reason})")
        hint(f"next: bookpayctl audit --history {run.history_path}")
    leave(document.code)


def _kept(run: Run, document: Document) -> Document:
    """The document as it stands in the run's folder, or one that says that it does not."""
    try:
        run.keep_report(document.to_json())
    except OSError as error:
        hint(f"error: the report of run {run.run_id} could not be written: {error}")
        code = worst([document.code, ExitCode.UNKNOWN])
        reason = "report_not_written" if code is not document.code else document.reason
        return replace(document, code=code, reason=reason)
    return document


def load_report(
    run: Run,
    accepted: Accepted,
    settled: SettledOrders,
    rest: str | None,
    stopped_by: ExitCode | None,
) -> Document:
    """What became of a load, as a document."""
    code = _code(accepted, rest, stopped_by)
    reason = {
        ExitCode.PASS: "sent",
        ExitCode.VACUOUS: "nothing_accepted",
        ExitCode.DEADLINE: "not_settled",
    }.get(code, "interrupted")
    return Document("LoadReport", code, reason, _body(run, accepted, settled, rest))


def _code(accepted: Accepted, rest: str | None, stopped_by: ExitCode | None) -> ExitCode:
    """A load does not judge: refusals are results. Nothing accepted is vacuous."""
    if stopped_by is not None:
        return stopped_by
    if accepted.ok == 0:
        return ExitCode.VACUOUS
    return ExitCode.PASS if rest is None else ExitCode.DEADLINE


def _body(run: Run, accepted: Accepted, settled: SettledOrders, rest: str | None) -> dict[str, Any]:
    from bookpayctl.load.plan import OrderKind
    from bookpayctl.load.sender import percentiles_ms

    return {
        "run": run.run_id,
        "history": str(run.history_path),
        "planned": accepted.planned,
        "ok": accepted.ok,
        "fail": accepted.fail,
        "unknown": accepted.unknown,
        "late": accepted.late,
        "by_kind": accepted.by_kind,
        "refusals": accepted.refusals,
        "seconds": round(accepted.seconds, 3),
        "orders_by_status": settled.by_status,
        "still_moving": rest,
        "latency_ms": {
            "http_accept": percentiles_ms(accepted.accept_seconds),
            "order_to_paid": percentiles_ms(settled.paid_seconds[OrderKind.OK]),
            "slow_order_to_paid": percentiles_ms(settled.paid_seconds[OrderKind.SLOW]),
        },
    }


def _print_table(accepted: Accepted, settled: SettledOrders, body: Mapping[str, Any]) -> None:
    from bookpayctl.load.plan import OrderKind

    per_second = accepted.ok / accepted.seconds if accepted.seconds else 0.0
    print_line(
        f"{accepted.planned} planned in {accepted.seconds:.1f} s: {accepted.ok} accepted"
        f" ({per_second:.1f}/s), {accepted.fail} refused, {accepted.unknown} unknown"
    )
    for why, count in accepted.refusals.items():
        print_line(f"  {count} x {why}")
    statuses = ", ".join(f"{count} {status}" for status, count in settled.by_status.items())
    waits = settled.by_status.get("pending") and body["still_moving"] is None
    why = " (the pending ones wait for their bank)" if waits else ""
    print_line(f"orders now: {statuses or 'none'}{why}")
    if body["still_moving"]:
        print_line(f"still moving: {body['still_moving']}")
    if accepted.late:
        print_line(
            f"{accepted.late} orders waited for a free sender, because all of them waited for"
            " answers; the wait is in the latency"
        )
    latency = body["latency_ms"]
    rows = [
        ("planned send -> accepted", len(accepted.accept_seconds), latency["http_accept"]),
        (
            "order row -> paid, card",
            len(settled.paid_seconds[OrderKind.OK]),
            latency["order_to_paid"],
        ),
        (
            "order row -> paid, bank debit",
            len(settled.paid_seconds[OrderKind.SLOW]),
            latency["slow_order_to_paid"],
        ),
    ]
    print_table(
        ("latency, ms", "n", "p50", "p90", "p99", "max"),
        [
            (label, count, *("-" if v is None else v for v in values.values()))
            for label, count, values in rows
            if count
        ],
    )
    print_line(f"history: {body['history']}")


def register(app: typer.Typer) -> None:
    app.command("load")(load)
