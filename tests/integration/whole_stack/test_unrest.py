"""What keeps a stack from its rest is named: which orders wait, for what, and until when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast
from uuid import uuid4

from bookpayctl.drill.unrest import what_keeps_it
from bookpayctl.targets.status import ProcessStatus, Status
from bookpayctl.targets.target import Target
from tests.support.stack import Database


def order(database: Database, order_id: str, *, ago: str, payment: str | None = None) -> None:
    database.run(
        "INSERT INTO orders (id, tenant_id, total_cents, currency, created_at) VALUES"
        " (%s, 'acme', 4200, 'usd', clock_timestamp() - %s::interval)",
        *(order_id, ago),
    )
    if payment is not None:
        database.run(
            "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency,"
            " payment_method, state, started_attempts, finished_attempts, next_attempt_at) VALUES"
            " (%s, %s, 'acme', 4200, 'usd', 'pm_card_visa', %s, 6, 6,"
            "  environment_now() + interval '100 s')",
            *(uuid4(), order_id, payment),
        )


def process(name: str, *, ready: bool, detail: str = "") -> ProcessStatus:
    return ProcessStatus(name, "s", "running", 1, 1.0, 0, 1, ready, detail, None)


def target_of(database: Database, *processes: ProcessStatus) -> Target:
    status = Status("here", processes, None, (), ())
    found = SimpleNamespace(environment=SimpleNamespace(dsn=database.dsn), status=lambda: status)
    return cast(Target, found)


def test_who_is_not_ready_and_the_orders_that_wait_longest_are_named(database: Database) -> None:
    order(database, "ord_paid_soon", ago="9 s", payment="pending")
    order(database, "ord_not_taken_in", ago="60 s")
    order(database, "ord_at_the_bank", ago="90 s", payment="processing")
    stuck = process("payments-worker-0", ready=False, detail="consumer: it stands still")

    told = what_keeps_it(target_of(database, process("notifier", ready=True), stuck))

    assert told[0] == "payments-worker-0 is running and not ready: consumer: it stands still"
    first, second = (line.split(" for ")[0] for line in told[1:])
    assert (first, second) == ("ord_not_taken_in is pending", "ord_paid_soon is pending")
    assert "no worker has taken it in" in told[1]
    assert "its payment pending after 6 attempts, the next in " in told[2]


def test_a_stack_at_rest_is_kept_by_nothing(database: Database) -> None:
    assert what_keeps_it(target_of(database, process("notifier", ready=True))) == ()
