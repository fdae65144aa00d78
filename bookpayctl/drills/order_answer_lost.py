"""order-answer-lost: a client's order is written, or is not, and the client is told nothing of it.

Question: does a client that asks again under its key get one order, whatever had become of the
first request? Expected: every later answer names the same order, and there is one of it, with one
event. The client is the drill itself, in a tenant of the tool's own; the orders of the load are
everybody else's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from bookpayctl.clients.database import reading
from bookpayctl.clients.orders_api import OrderReply
from bookpayctl.clients.probe_tenant import TENANT_ID, probe_tenants_api
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.failpoint import EXIT, Aim, FailpointFault
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.undo import CLOSE_PROBE_ORDER
from bookpayctl.load.probe_orders import (
    CUSTOMER,
    PAYMENT_METHOD_THAT_PAYS,
    order_document,
    titles_in_stock,
)
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import EventType

DROPCONN: Final = "dropconn"

BEFORE_COMMIT: Final = "api.before_commit"
COMMIT_SENT: Final = "api.commit_sent_conn_dropped"
COMMITTED: Final = "api.committed_before_response"

STRIKES: Final = {
    "committed-exit": (COMMITTED, EXIT, "all is committed, the process dies unanswering (F05)"),
    "committed-dropconn": (COMMITTED, DROPCONN, "all is committed, the client is cut off (F05)"),
    "commit-sent-exit": (COMMIT_SENT, EXIT, "COMMIT is on its way, the process dies (F04)"),
    "commit-sent-dropconn": (COMMIT_SENT, DROPCONN, "COMMIT is sent, its answer is lost (F04)"),
    "before-commit-exit": (BEFORE_COMMIT, EXIT, "all is written, not committed; death (F03)"),
    "before-commit-dropconn": (BEFORE_COMMIT, DROPCONN, "all is written, the session is cut (F03)"),
}  # fmt: skip
"""Point -> failpoint, action, and what happens there."""

AGAIN_SECONDS: Final = 0.1

ACCEPTED_MIN: Final = 2
"""Answers that must agree: the first that was accepted may be the only one that ever names it."""


@dataclass(frozen=True, slots=True)
class OrdersOfKey:
    """What there is under one client key."""

    order_ids: tuple[str, ...]
    events: int


class OrderAnswerLostScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        point, action, _ = STRIKES[context.request.point]
        self.client_key = f"{context.run.run_id}-probe-{uuid4().hex[:8]}"
        self.answers: list[OrderReply] = []
        self.window: TimeAway | None = None
        self.lost = FailpointFault(
            *(context.target, context.run),
            prefix=context.slug,
            point=point,
            action=action,
            aim=Aim(tenant_id=TENANT_ID),
        )

    @property
    def faults(self) -> tuple[FailpointFault]:
        return (self.lost,)

    def prepare(self) -> None:
        """The order is a probe: registered, and closed at the end, whatever comes of it."""
        self.context.run.probe("client_key", self.client_key)
        self.context.run.promise_undo(CLOSE_PROBE_ORDER, client_key=self.client_key)

    def inject(self) -> None:
        """Arm it, then be its client: ask until there is an answer, and once more."""
        self.lost.inject()
        environment, began_at = self.context.environment, time.time()
        title = titles_in_stock(environment)[0]
        order = order_document(title, payment_method=PAYMENT_METHOD_THAT_PAYS, customer_id=CUSTOMER)
        with probe_tenants_api(environment.dsn, environment.orders_url) as api:

            def ask() -> int:
                self.answers.append(api.place(order, client_key=self.client_key))
                return sum(answer.ok for answer in self.answers)

            wait_until(
                ask,
                lambda accepted: accepted >= ACCEPTED_MIN,
                deadline_seconds=self.context.deadline_seconds,
                every_seconds=AGAIN_SECONDS,
            )
        self.window = TimeAway(began_at, time.time())

    def observe(self) -> list[Item]:
        """What the client was told, what there is, and what everybody else saw."""
        refusing = self.lost.action == EXIT
        return [
            self._one_order(),
            *answers_during(self.context, self.window, refusing=refusing),
        ]

    def _one_order(self) -> Item:
        title = "asking again gave one order"
        seconds_max = self.context.deadline_seconds
        required = (
            f"the first request unanswered, {ACCEPTED_MIN} later ones accepted within"
            f" {seconds_max:.0f} s, all of one order, with one {EventType.ORDER_PLACED}"
        )
        if not self.answers or self.answers[0].ok:
            reason = "the first request was answered, so no answer was lost"
            return self.context.unanswered("one-order", title, required, reason)
        found = _orders_of(self.context, self.client_key)
        named = tuple(dict.fromkeys(str(one.body.get("id")) for one in self.answers if one.ok))
        told = ", ".join(str(one.status or "no answer") for one in self.answers)
        accepted = sum(answer.ok for answer in self.answers)
        return self.context.judged(
            "one-order",
            title,
            required,
            f"{told}; {len(named)} orders named, {len(found.order_ids)} there,"
            f" {found.events} events",
            good=accepted >= ACCEPTED_MIN
            and len(named) == 1
            and found == OrdersOfKey(named, events=1),
            examined=len(self.answers),
            evidence=[
                *(f"named: {one}" for one in named),
                *(f"there: {o}" for o in found.order_ids),
            ],
            fix="bookpayctl logs orders-service",
        )


def _orders_of(context: DrillContext, client_key: str) -> OrdersOfKey:
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT id, (SELECT count(*) FROM outbox WHERE event_type = %s"
            "   AND payload ->> 'order_id' = orders.id)"
            " FROM orders WHERE tenant_id = %s AND client_key = %s ORDER BY created_at",
            (EventType.ORDER_PLACED.value, TENANT_ID, client_key),
        ).fetchall()
    return OrdersOfKey(tuple(str(i) for i, _ in rows), sum(int(count) for _, count in rows))


DRILL: Final = Drill(
    slug="order-answer-lost",
    question="a client is not told what became of its order: does it get one, and only one, when it"
    " asks again under the same key?",
    expected="every later answer names the same order; one order, one event",
    blast_radius="one request of the tool's own tenant; with -exit the orders API dies once, and"
    " who asks meanwhile is not answered",
    points={name: words for name, (_, _, words) in STRIKES.items()},
    scenario=OrderAnswerLostScenario,
)
