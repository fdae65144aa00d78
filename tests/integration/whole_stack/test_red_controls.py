"""Statements by which red controls make a stack wrong: this schema takes them."""

from __future__ import annotations

import pytest

from bookpayctl.clients.database import writing
from bookpayctl.controls.catalogue import WRONG_STACKS
from bookpayctl.controls.control import WrongStack
from tests.support.paid_orders import write_paid_order
from tests.support.stack import Database

# What asks the server for a slot, or for a gigabyte of log, is no question of the schema.
CHANGING = [stack for stack in WRONG_STACKS if stack.sql and not stack.sql[0].startswith("SELECT")]


# Beside the paid order: what the declined one of a selftest has told.
CANCELLED = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)
    SELECT gen_random_uuid(), aggregate, aggregate_id, 'OrderCancelled', payload, tenant_id
    FROM outbox WHERE event_type = 'OrderPlaced' LIMIT 1
"""


@pytest.mark.parametrize("stack", CHANGING, ids=lambda stack: stack.name)
def test_the_statements_of_a_control_are_taken(stack: WrongStack, database: Database) -> None:
    write_paid_order(database)

    with writing(database.dsn) as conn:
        conn.execute(CANCELLED)
        changed = [conn.execute(statement.encode()).rowcount for statement in stack.sql]

    # -1 is a change of the schema, which has no rows to count.
    assert changed
    assert 0 not in changed
