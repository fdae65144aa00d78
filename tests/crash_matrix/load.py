"""The small load of a cell: a few customers who do what customers do, and try again when told to.

Each flow is one order to its end. A client repeats a call that ended unclear with the same key, as
the API asks of it; every attempt is in the history that the judge reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.clients.orders_api import OrderReply, OrdersApi
from bookpayctl.load import probe_orders
from bookpayctl.load.history import HistoryFile
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.environment import Environment

CARD: Final = "pm_card_visa"
DECLINED: Final = "pm_card_visa_chargeDeclined"
BANK_DEBIT: Final = "pm_usBankAccount_success"
# No other order of a cell uses it, so that a fault of the twin can be aimed at one order.
TRIGGER_CARD: Final = "pm_card_mastercard"

# Shorter than a client's usual patience, so that a late answer costs a cell seconds.
CLIENT_SECONDS: Final = 3.0
FLOW_SECONDS_MAX: Final = 60.0
AGAIN_AFTER_SECONDS: Final = 0.2


@dataclass
class Flow:
    """One customer's order.

    Attributes:
        ends: the status in which it has to end.
        returned: whether the customer cancels it once it is paid.
    """

    key: str
    method: str
    ends: str
    returned: bool = False
    order_id: str | None = None
    event_id: str | None = None
    replies: list[OrderReply] = field(default_factory=list)
    problem: str | None = None

    @property
    def is_trigger(self) -> bool:
        """Whether it is the order that the cell's fault is aimed at."""
        return self.key.endswith("trigger")


@dataclass
class Customers:
    """Runs flows, each in a thread of its own."""

    environment: Environment
    history: HistoryFile
    before_cancel: Callable[[Flow], None]
    complete_debit: Callable[[Flow, str], None]
    threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.title = probe_orders.titles_in_stock(self.environment, copies=1000)[0]
        self.api = OrdersApi(
            self.environment.orders_url,
            self.environment.secret("orders-token"),
            timeout_seconds=CLIENT_SECONDS,
        )

    def send(self, *flows: Flow) -> None:
        for flow in flows:
            thread = threading.Thread(target=self._run, args=(flow,), name=flow.key, daemon=True)
            thread.start()
            self.threads.append(thread)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(FLOW_SECONDS_MAX * 2)
            assert not thread.is_alive(), f"{thread.name} has no end"

    def _run(self, flow: Flow) -> None:
        try:
            self._place(flow)
            if flow.returned:
                self._wait(flow, lambda reply: reply.body.get("status") == "paid", "is paid")
                self.before_cancel(flow)
                self._cancel(flow)
            elif flow.method == BANK_DEBIT:
                reply = self._wait(flow, _has_reached_bank, "waits for the bank")
                self.complete_debit(flow, reply.body["payment"]["payment_intent_id"])
        except Exception as error:  # noqa: BLE001 - the cell says what its customer met
            flow.problem = f"{flow.key}: {type(error).__name__}: {error}"

    def _place(self, flow: Flow) -> None:
        document = probe_orders.order_document(
            self.title, payment_method=flow.method, customer_id=flow.key
        )

        def attempt() -> OrderReply:
            began = time.time()
            self.history.invoked(flow.key, at=began, kind="cell")
            reply = self.api.place(document, client_key=flow.key)
            now = time.time()
            self.history.ended(flow.key, reply.call_end(), at=now, seconds=now - began)
            flow.replies.append(reply)
            return reply

        reply = self._until_clear(attempt)
        flow.order_id, flow.event_id = reply.body["id"], reply.body["event_id"]

    def _cancel(self, flow: Flow) -> None:
        order_id = flow.order_id or ""
        self._until_clear(lambda: self.api.cancel(order_id, "changed my mind"))

    def _wait(self, flow: Flow, good: Callable[[OrderReply], bool], what: str) -> OrderReply:
        waited = wait_until(
            lambda: self.api.get(flow.order_id or ""),
            lambda reply: reply.ok and good(reply),
            deadline_seconds=FLOW_SECONDS_MAX,
        )
        assert waited.reached, f"the order never {what}: {waited.value}"
        return waited.value

    def _until_clear(self, attempt: Callable[[], OrderReply]) -> OrderReply:
        """Repeat while the answer is missing, a 5xx or a conflict."""
        waited = wait_until(
            attempt,
            lambda reply: reply.status is not None and reply.status < 500 and reply.status != 409,
            deadline_seconds=FLOW_SECONDS_MAX,
            every_seconds=AGAIN_AFTER_SECONDS,
        )
        assert waited.value.ok, waited.value.problem()
        return waited.value


def _has_reached_bank(reply: OrderReply) -> bool:
    """Whether the bank has the debit; it decides by itself where we were away for long."""
    payment = reply.body.get("payment") or {}
    reached = payment.get("state") in ("processing", "settled")
    return reached and bool(payment.get("payment_intent_id"))
