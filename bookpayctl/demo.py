"""The demonstration: three customers, one crash in the middle of a charge, six checks, one audit.

Each part is the real command's own code on the real stack; nothing here knows the answer. The
verdict is the worst of all parts, and a part that could not be carried out is not left out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bookpayctl.check import CheckRequest, run_checks
from bookpayctl.checks import CHECKLIST
from bookpayctl.clients.orders_api import OrderReply
from bookpayctl.drill.run import run_drill
from bookpayctl.drill.scenario import DrillRequest
from bookpayctl.drills import crash_mid_charge
from bookpayctl.judge.audit import AuditRequest, audit
from bookpayctl.judge.readers.stripe import why_nothing_is_paid
from bookpayctl.judge.stacks.ours import OurStack
from bookpayctl.load import probe_orders
from bookpayctl.load.history import read_history
from bookpayctl.load.plan import PAYMENT_METHOD_OF_KIND, OrderKind
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.money import shown_money
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs import directory
from bookpayctl.runs.directory import HISTORY_FILE, Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.session import Observer, RefusedError, not_run_report, refused_report
from bookpayctl.targets.environment import Environment

CUSTOMER: Final = "cust_demo"


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the demonstration: its title and the report it came to."""

    title: str
    report: Report


def run_demo(
    environment: Environment,
    observe: Observer,
    *,
    deadline_seconds: float,
    done: Callable[[Part], None],
) -> Report:
    """Run all parts; `done` sees each as soon as it is judged.

    Where no payment can end, nothing is begun.
    """
    unpaid = why_nothing_is_paid(environment)
    if unpaid is not None:
        return not_run_report("DemoReport", environment, "demo", unpaid)
    began = time.monotonic()
    run = directory.begin(environment.runs_dir, "demo")
    parts = []
    for part in _parts(environment, run, observe, deadline_seconds):
        run.journal("part", title=part.title, verdict=part.report.verdict.value)
        done(part)
        parts.append(part)
    return combine(parts, run, seconds=time.monotonic() - began)


def combine(parts: Sequence[Part], run: Run, *, seconds: float) -> Report:
    """All answers as one report; one part that does not hold and the whole does not."""
    first = parts[0].report
    failing = [p.report.code for p in parts if p.report.code is not ExitCode.PASS]
    return Report(
        kind="DemoReport",
        context={**first.context, "run": run.run_id},
        items=tuple(item for part in parts for item in part.report.items),
        started_at=first.started_at,
        duration_seconds=seconds,
        each_must_answer=False,
        incidents=tuple(failing),
        run_dir=str(run.path),
    )


def _parts(
    environment: Environment, run: Run, observe: Observer, deadline_seconds: float
) -> Iterator[Part]:
    yield Part("three customers", _orders(environment, run, observe, deadline_seconds))
    request = DrillRequest(
        environment,
        crash_mid_charge.RESPONSE_BEFORE_PERSIST,
        duration_seconds=6.0,
        deadline_seconds=deadline_seconds,
        audited=False,
    )
    drilled = _or_refused(
        environment, "DrillReport", lambda: run_drill(crash_mid_charge.DRILL, request, observe)
    )
    yield Part("a worker dies in the middle of a charge", drilled)
    checked = _or_refused(
        environment, "CheckReport", lambda: _checks(environment, observe, deadline_seconds)
    )
    yield Part("the checklist", checked)
    try:
        audited = _audit(environment, run, drilled, observe, deadline_seconds)
    except Exception as error:  # noqa: BLE001 - an audit that broke has not acquitted anyone
        broken = unanswered("demo/audited", "the audit ran to its end", "no error", f"{error!r}")
        audited = replace(drilled, items=(broken,), incidents=())
    yield Part("three ledgers", audited)


def _or_refused(environment: Environment, kind: str, ask: Callable[[], Report]) -> Report:
    """What a part came to; after one that left something undone, the next ones are refused."""
    try:
        return ask()
    except RefusedError as refused:
        return refused_report(kind, environment, refused)


def _orders(
    environment: Environment, run: Run, observe: Observer, deadline_seconds: float
) -> Report:
    """One order that is paid, one that is declined, one that is paid and then cancelled."""
    began = time.monotonic()
    customers = (
        ("paid", "a good card: the order is paid", OrderKind.OK, "paid", None),
        (
            "declined",
            "a declined card: the order is cancelled",
            OrderKind.DECLINED,
            "cancelled",
            None,
        ),
        ("refunded", "cancelled after payment: money back", OrderKind.OK, "paid", "refunded"),
    )
    items = []
    for name, title, kind, first, then in customers:
        observe(title)
        customer = _Customer(environment, f"{run.run_id}-{name}", deadline_seconds)
        try:
            items.append(_serve(customer, f"demo/{name}", title, kind, first, then))
        except Exception as error:  # noqa: BLE001 - a customer whose order has no end is unknown
            items.append(unanswered(f"demo/{name}", title, f"order {then or first}", repr(error)))
    return Report(
        kind="DemoOrders",
        context={"environment": environment.name, "target": environment.target},
        items=tuple(items),
        started_at=directory.now(),
        duration_seconds=time.monotonic() - began,
        each_must_answer=True,
    )


@dataclass(frozen=True, slots=True)
class _Customer:
    environment: Environment
    client_key: str
    deadline_seconds: float

    def buy(self, kind: OrderKind) -> OrderReply:
        titles = probe_orders.titles_in_stock(self.environment)
        if not titles:
            raise probe_orders.ProbeError("nothing is in stock")
        method = PAYMENT_METHOD_OF_KIND[kind]
        document = probe_orders.order_document(
            titles[0], payment_method=method, customer_id=CUSTOMER
        )
        reply = probe_orders.orders_api(self.environment).place(
            document, client_key=self.client_key
        )
        if not reply.ok:
            raise probe_orders.ProbeError(f"the order was not accepted: {reply.problem()}")
        return reply

    def wait(self, order_id: str, status: str) -> tuple[dict[str, Any], float]:
        """The order once it has the status, or as it is at the deadline, and how long it took."""
        api = probe_orders.orders_api(self.environment)
        waited = wait_until(
            lambda: api.get(order_id),
            lambda reply: reply.body.get("status") == status,
            deadline_seconds=self.deadline_seconds,
            every_seconds=0.05,
        )
        return waited.value.body, waited.seconds


def _serve(
    customer: _Customer, item_id: str, title: str, kind: OrderKind, first: str, then: str | None
) -> Item:
    placed = customer.buy(kind).body
    seen, seconds = customer.wait(placed["id"], first)
    seen_so_far = f"{placed['id']} {seen.get('status')} after {seconds:.2f} s"
    if then is not None and seen.get("status") == first:
        probe_orders.orders_api(customer.environment).cancel(placed["id"], "changed_my_mind")
        seen, more = customer.wait(placed["id"], then)
        seen_so_far += f", then {seen.get('status')} after {more:.2f} s"
    wanted = then or first
    reached = seen.get("status") == wanted
    payment = seen.get("payment") or {}
    reason = f" ({seen['cancel_reason']})" if seen.get("cancel_reason") else ""
    amount = shown_money(placed["total_cents"], placed["currency"])
    return Item(
        id=item_id,
        title=title,
        verdict=Verdict.HOLDS if reached else Verdict.VIOLATED,
        required=f"order {wanted} within {customer.deadline_seconds:.0f} s",
        observed=f"{seen_so_far}{reason}; {amount}, payment {payment.get('state')}"
        f" {payment.get('payment_intent_id') or ''}".rstrip(),
        examined=1,
        fix="" if reached else f"bookpayctl order trace {placed['id']}",
    )


def _checks(environment: Environment, observe: Observer, deadline_seconds: float) -> Report:
    return run_checks(CHECKLIST, CheckRequest(environment, deadline_seconds), observe)


def _audit(
    environment: Environment,
    run: Run,
    drilled: Report,
    observe: Observer,
    deadline_seconds: float,
) -> Report:
    """Every order there is, with what the clients of the drill saw."""
    history = None
    path = Path(drilled.run_dir or "") / HISTORY_FILE
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            history = read_history(lines)
    request = AuditRequest(
        OurStack(environment),
        age_seconds=0.0,
        deadline_seconds=deadline_seconds,
        history=history,
        run=run,
    )
    return audit(request, observe)
