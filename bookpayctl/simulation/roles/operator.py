"""The operator: after the heal, what waits for a person is seen to.

`payments_reconciler/requests.py`: parked payments are redriven once and then cancelled, refunds
that failed at the bank are asked for again.
"""

from __future__ import annotations

from bookpayctl.simulation.kernel import SimulatedProcess, Task
from bookpayctl.simulation.steps import payments
from bookpayctl.simulation.steps.orders import cancel_order
from bookpayctl.simulation.steps.payments import Cause
from bookpayctl.simulation.store import PAYMENTS, PaymentRow, Transaction, UnavailableError
from bookpayctl.simulation.world import Role, World
from runtime.domain.names import PaymentState
from runtime.domain.outside import Ask, retry_of
from runtime.domain.payment_events import Redriven, Step

LOOK_SECONDS = 10.0


class OperatorRole(Role):
    """A person with a list."""

    def __init__(self, world: World, process: SimulatedProcess) -> None:
        super().__init__(world, process)
        self.redriven: set[str] = set()
        process.start = lambda: [self.loop()]

    def loop(self) -> Task:
        while True:
            table = self.world.store.table(PAYMENTS)
            for row in [table[event_id] for event_id in self.world.store.open_payments]:
                try:
                    self._see_to(row)
                except UnavailableError:
                    continue
            yield LOOK_SECONDS

    def _see_to(self, row: PaymentRow) -> None:
        state = row.payment.state
        if state is PaymentState.PARKED and not row.payment.cancel_requested:
            if row.event_id in self.redriven:
                self.world.transact(lambda tx: self._cancel(tx, row))
            else:
                self.world.transact(lambda tx: self._redrive(tx, row))
        elif state is PaymentState.REFUNDING:
            self.world.transact(lambda tx: self._retry(tx, row))

    def _redrive(self, tx: Transaction, row: PaymentRow) -> None:
        verdict = payments.apply(self.world, tx, row.event_id, Redriven(), Cause("operator"))
        if isinstance(verdict, Step):
            self.redriven.add(row.event_id)
            self.note(row.order_id, "redrives the payment")

    def _cancel(self, tx: Transaction, row: PaymentRow) -> None:
        if cancel_order(self.world, tx, row.order_id, cause="operator", reason="parked"):
            self.note(row.order_id, "cancels the order")

    def _retry(self, tx: Transaction, row: PaymentRow) -> None:
        moved = payments.moved_money(tx, row)
        move = retry_of(moved)
        # Of one that failed at the bank; what was never asked for is the protocol's own to ask.
        if isinstance(move, Ask) and moved.ours:
            self.world.count("a refund that was asked for again")
            payments.request_refund(self.world, tx, row, move.n, move.amount_cents)
