"""The orders consumer: `runtime/services/orders/consumer.py` and `saga.py`."""

from __future__ import annotations

from typing import Final

from bookpayctl.simulation.kernel import SimulatedProcess, Task
from bookpayctl.simulation.log import SimulatedRecord
from bookpayctl.simulation.roles.consuming import consume, leave_when_silent
from bookpayctl.simulation.steps.orders import PaymentNews, follow_payment
from bookpayctl.simulation.store import Transaction
from bookpayctl.simulation.world import Role, World
from runtime.domain.names import Service, Topic
from runtime.domain.order import OrderEvent

EVENT_OF_TOPIC: Final[dict[str, OrderEvent]] = {
    Topic.PAYMENTS_COMPLETED: OrderEvent.PAYMENT_COMPLETED,
    Topic.PAYMENTS_FAILED: OrderEvent.PAYMENT_FAILED,
    Topic.PAYMENTS_REFUNDED: OrderEvent.PAYMENT_REFUNDED,
}


class PaymentFollower(Role):
    """One process of the group."""

    def __init__(self, world: World, process: SimulatedProcess) -> None:
        super().__init__(world, process)
        process.start = self.start
        process.ended = lambda: leave_when_silent(world, process, Service.ORDERS)

    def start(self) -> list[Task]:
        return [consume(self.world, self.process, Service.ORDERS, self.handle)]

    def handle(self, records: list[SimulatedRecord]) -> None:
        """All records of a poll in one transaction."""

        def work(tx: Transaction) -> None:
            for record in records:
                self._follow(tx, record)

        self.world.transact(work)

    def _follow(self, tx: Transaction, record: SimulatedRecord) -> None:
        event = record.event
        reason = dict(event.extra).get("reason") or "payment_failed"
        news = PaymentNews(EVENT_OF_TOPIC[record.topic], event.money, reason)
        self.note(event.order_id, follow_payment(self.world, tx, event.order_id, news))
