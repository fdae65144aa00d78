"""Probes are of a tenant of the tool's own, and none of them is left open, whoever dies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.clients.probe_tenant import TENANT_ID
from bookpayctl.faults import undo
from bookpayctl.load import probe_orders
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run, read_undo
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.target import LocalTarget
from tests.support.environments import environment_away
from tests.support.stack import Shop

WAITS = probe_orders.PAYMENT_METHOD_THAT_WAITS


@pytest.fixture
def environment(shop: Shop, tmp_path: Path) -> Environment:
    """The stack as the tool knows it, as far as probes need it."""
    return replace(
        environment_away(tmp_path),
        dsn=shop.database.dsn,
        orders_url=shop.stack["orders-http"].url,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return directory.begin(tmp_path / "runs", "check")


def undone(environment: Environment, run: Run) -> list[str | None]:
    """Undo what is open, as the end of a session does, or `recover`; the errors."""
    return [result.error for result in undo.undo_all(LocalTarget(environment), run)]


def tokens(shop: Shop) -> int:
    found: int = shop.database.value(
        "SELECT count(*) FROM api_tokens WHERE tenant_id = %s", TENANT_ID
    )
    return found


def test_a_probe_is_of_a_tenant_of_its_own_whose_token_is_gone_with_the_call(
    shop: Shop, environment: Environment, run: Run
) -> None:
    probe = probe_orders.place_probe(environment, run, payment_method=WAITS)

    tenants = shop.database.rows(
        "SELECT o.tenant_id, e.tenant_id FROM orders o JOIN outbox e ON e.event_id = o.event_id"
        " WHERE o.id = %s",
        probe.order_id,
    )
    assert tenants == [(TENANT_ID, TENANT_ID)]
    assert environment.tenant_id != TENANT_ID
    assert tokens(shop) == 0


def test_a_probe_that_is_open_at_the_end_is_cancelled(
    shop: Shop, environment: Environment, run: Run
) -> None:
    probe = probe_orders.place_probe(environment, run, payment_method=WAITS)

    errors = undone(environment, run)

    assert errors == [None]
    assert shop.status(probe.order_id) == "cancelled"
    assert [entry.done for entry in read_undo(run.path)] == [True]


def test_a_probe_that_was_paid_stays_paid(shop: Shop, environment: Environment, run: Run) -> None:
    paying = probe_orders.PAYMENT_METHOD_THAT_PAYS
    probe = probe_orders.place_probe(environment, run, payment_method=paying)
    shop.wait_status(probe.order_id, "paid")

    errors = undone(environment, run)

    assert errors == [None]
    assert shop.status(probe.order_id) == "paid"


def test_a_probe_that_was_promised_and_never_placed_leaves_nothing_to_close(
    environment: Environment, run: Run
) -> None:
    nobody = replace(environment, orders_url="http://127.0.0.1:1")

    with pytest.raises(probe_orders.ProbeError, match="no answer"):
        probe_orders.place_probe(nobody, run, payment_method=WAITS)

    assert undone(environment, run) == [None]


def test_a_probe_that_cannot_be_closed_stays_on_record_until_it_is(
    shop: Shop, environment: Environment, run: Run
) -> None:
    probe = probe_orders.place_probe(environment, run, payment_method=WAITS)
    nobody = replace(environment, orders_url="http://127.0.0.1:1")

    first = undone(nobody, run)
    left = directory.unrecovered(environment.root / "runs")
    second = undone(environment, run)

    assert first[0] is not None
    assert f"probe order {probe.order_id} is still open: no answer" in first[0]
    assert [one.run_id for one in left] == [run.run_id]
    assert second == [None]
    assert shop.status(probe.order_id) == "cancelled"
