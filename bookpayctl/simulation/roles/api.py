"""Clients and the API: placing under one key until an answer comes, and cancelling.

`runtime/services/orders/place.py`, one transaction each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from bookpayctl.simulation.kernel import SimulatedProcess, Task
from bookpayctl.simulation.steps.orders import cancel_order
from bookpayctl.simulation.steps.outbox import insert_event
from bookpayctl.simulation.store import (
    CLIENT_KEYS,
    ORDERS,
    RESERVATIONS,
    STOCK,
    OrderRow,
    ReservationRow,
    StepRow,
    StockRow,
    Transaction,
    UnavailableError,
)
from bookpayctl.simulation.stripe import account as stripe
from bookpayctl.simulation.stripe.objects import Intent
from bookpayctl.simulation.world import ENVIRONMENT, Operation, World
from runtime.domain.money import Money, shown_money
from runtime.domain.names import EventType, OrderStatus, ReservationState
from runtime.domain.stripe_event import Kind, StripeEvent

CURRENCY: Final = "usd"
SHELVES: Final = (("atlas", 1009, 4000), ("bestseller", 2003, 60), ("novel", 1511, 4000),
    ("primer", 503, 4000))  # fmt: skip
"""SKU, price in cents and pieces; the bestseller runs out."""

TRIES_MAX: Final = 4

_METHODS: Final = (
    (stripe.CARD, 74),
    (stripe.DECLINED_CARD, 10),
    (stripe.SLOW_BANK, 7),
    (stripe.ACTION_CARD, 7),
    (stripe.MISSING_METHOD, 2),
)


@dataclass(frozen=True, slots=True)
class SimulatedWanted:
    """One customer: what is ordered, and whether it is cancelled after a while."""

    client_key: str
    sku: str
    quantity: int
    method: str
    cancels_after: float | None
    repeats: bool


def draw_customers(world: World, orders: int) -> list[tuple[float, SimulatedWanted]]:
    """The workload: when each customer comes, and what they want."""
    rng = world.workload
    methods = [method for method, _ in _METHODS]
    weights = [weight for _, weight in _METHODS]
    customers, at = [], 0.0
    for number in range(orders):
        at += rng.expovariate(20.0)
        # Mostly one title, so that its shelf is contended; others now and then.
        sku = SHELVES[min(int(rng.expovariate(0.7)), len(SHELVES) - 1)][0]
        cancels = rng.expovariate(1 / 3.0) if rng.random() < 0.12 else None
        wanted = SimulatedWanted(
            f"run-{world.seed}-{number}",
            sku,
            rng.randint(1, 3),
            rng.choices(methods, weights)[0],
            cancels,
            rng.random() < 0.05,
        )
        customers.append((at, wanted))
    return customers


def fill_shelves(world: World) -> None:
    """The books there are."""
    tx = Transaction(world.store)
    for sku, price, pieces in SHELVES:
        tx.put(STOCK, sku, StockRow(sku, price, pieces, pieces))
    world.store.apply(tx)


def customer(world: World, process: SimulatedProcess, wanted: SimulatedWanted) -> Task:
    """A client: posts under one key until it is answered, then may cancel."""
    lost = world.swarm["client.answer_lost"]
    answer: OrderRow | str | None = None
    for attempt in range(TRIES_MAX):
        yield world.net.uniform(0.002, 0.02)
        answer = None
        if _is_up(world, process):
            answer = _post(world, wanted)
        yield world.net.uniform(0.002, 0.02)
        if lost.hits():
            world.count("a client that heard nothing")
            answer = None
        _tell(world, wanted, answer)
        if isinstance(answer, str) or (answer is not None and not wanted.repeats):
            break
        # With no answer, or for no reason, as clients do: the same again.
        yield 0.2 * 2**attempt
    if wanted.cancels_after is None or not isinstance(answer, OrderRow):
        return
    yield wanted.cancels_after
    for _ in range(TRIES_MAX):
        if _cancel(world, process, answer.order_id):
            return
        yield 1.0


def _is_up(world: World, process: SimulatedProcess) -> bool:
    """Whether the API can be reached; what befalls it in between is an answer that is lost."""
    crash = world.swarm["process.crash"]
    if process.is_down or process.frozen_until > world.now:
        return False
    if crash.hits():
        world.kernel.crash(process, crash.rng.uniform(0.2, 5.0))
        return False
    return True


def _tell(world: World, wanted: SimulatedWanted, answer: OrderRow | str | None) -> None:
    if isinstance(answer, OrderRow):
        amount = answer.total.amount_cents
        world.operations.append(Operation(wanted.client_key, "ok", answer.order_id, amount))
    else:
        outcome = "fail" if answer else "unknown"
        world.operations.append(Operation(wanted.client_key, outcome, None, None))


def _post(world: World, wanted: SimulatedWanted) -> OrderRow | str | None:
    """The order; a refusal's code; None for a 503."""
    root = str(UUID(int=world.workload.getrandbits(128)))

    def work(tx: Transaction) -> OrderRow | str:
        known = tx.get(CLIENT_KEYS, wanted.client_key)
        if known is not None and world.decisions.client_key_is_looked_up:
            world.count("a replayed order")
            order: OrderRow = tx.get(ORDERS, known)
            return order
        return _place(world, tx, wanted, root)

    try:
        placed = world.transact(work)
        if not world.decisions.order_and_event_together and isinstance(placed, OrderRow):
            world.transact(lambda tx: _announce(world, tx, placed, wanted))
    except UnavailableError:
        return None
    return placed


def _place(world: World, tx: Transaction, wanted: SimulatedWanted, root: str) -> OrderRow | str:
    """`place._write`: the order, its event and its books."""
    shelf: StockRow = tx.get(STOCK, wanted.sku)
    if shelf.on_hand < wanted.quantity:
        world.count("out of stock")
        return "out_of_stock"
    total = Money(shelf.unit_price_cents * wanted.quantity, CURRENCY)
    order = OrderRow(
        f"ord_{root}",
        root,
        total,
        OrderStatus.PENDING,
        wanted.client_key,
        wanted.method,
        world.now,
        world.now,
    )
    tx.put(ORDERS, order.order_id, order)
    tx.put(CLIENT_KEYS, wanted.client_key, order.order_id)
    held = ReservationRow(order.order_id, wanted.sku, wanted.quantity, ReservationState.HELD)
    tx.put(RESERVATIONS, order.order_id, held)
    taken = replace(
        shelf, on_hand=shelf.on_hand - wanted.quantity, reserved=shelf.reserved + wanted.quantity
    )
    tx.put(STOCK, wanted.sku, taken)
    tx.order_steps.append(
        StepRow(order.order_id, "transition", None, OrderStatus.PENDING, "placed", world.now)
    )
    if world.decisions.order_and_event_together:
        _announce(world, tx, order, wanted)
    if world.swarm["hook.stray"].hits():
        world.account.tell(_stray(order))
    world.note("api", order.order_id, f"placed, {wanted.method}, {shown_money(total)}")
    return order


def _stray(order: OrderRow) -> StripeEvent:
    """News of a PaymentIntent of another account, made by copying ours with its metadata."""
    total = Money(order.total.amount_cents * 2, CURRENCY)
    metadata = {"event_id": order.event_id, "order_id": order.order_id, "env": ENVIRONMENT}
    copied = Intent(f"pi_stray_{order.event_id}", "succeeded", total, metadata, 0.0, None)
    return copied.event(
        f"evt_stray_{order.event_id}", "payment_intent.succeeded", Kind.SUCCEEDED, 0.0
    )


def _announce(world: World, tx: Transaction, order: OrderRow, wanted: SimulatedWanted) -> None:
    insert_event(
        world,
        tx,
        EventType.ORDER_PLACED,
        root=order.event_id,
        order_id=order.order_id,
        money=order.total,
        payment_method=wanted.method,
    )


def _cancel(world: World, process: SimulatedProcess, order_id: str) -> bool:
    """`place.cancel_order`: whether the client was answered."""
    if not _is_up(world, process):
        return False
    try:
        done = world.transact(
            lambda tx: cancel_order(
                world, tx, order_id, cause="customer_cancelled", reason="customer"
            )
        )
    except UnavailableError:
        return False
    world.note("api", order_id, "cancelled" if done else "was cancelled already")
    return True
