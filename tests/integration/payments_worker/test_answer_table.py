"""The table of Stripe's answers, row by row, with the answer made on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.support.http_client import http
from tests.support.processes import ServiceProcess, free_port, running
from tests.support.services_alone import gateway_alone
from tests.support.stack import (
    PRICE_CENTS,
    WORKERS,
    Database,
    Shop,
    post_charge,
)
from tests.support.twin import Twin
from tests.support.waiting import eventually

WEBHOOKS = {"event_type": "payment_intent.*"}


@pytest.fixture(autouse=True)
def _no_webhooks(request: pytest.FixtureRequest) -> None:
    """The answers are on their own here; what webhooks do stands elsewhere."""
    if "twin" in request.fixturenames:
        request.getfixturevalue("twin").fault("webhook_drop", match=WEBHOOKS)


def row_of(shop: Shop, event_id: UUID) -> tuple[str, int, int, bool]:
    """State, transient failures, unfinished attempts, may have executed."""
    ((state, failures, unfinished, executed),) = shop.database.rows(
        "SELECT state, transient_failures, started_attempts - finished_attempts, maybe_executed"
        " FROM payments WHERE event_id = %s",
        event_id,
    )
    return state, failures, unfinished, executed


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_answer_that_blames_our_credentials_halts_and_counts_against_nobody(
    shop: Shop, twin: Twin, status: int
) -> None:
    fault = twin.fault("reject", match=shop.aim, numbers={"status": status})
    order_id, event_id = shop.place()

    def halted() -> str | None:
        name = next(
            (n for n in WORKERS if shop.stack[n].readiness().get("stripe_circuit") is False), None
        )
        return name if name and shop.database.payment_state(event_id) == "pending" else None

    worker = eventually(halted, "a circuit is open and the payment waits")
    metrics = http.request("GET", shop.stack[worker].url + "/metrics").body.decode()
    waiting = row_of(shop, event_id)
    twin.clear_fault(fault)

    assert "bookpay_stripe_circuit_open 1.0" in metrics
    assert waiting == ("pending", 0, 0, False)
    assert shop.status(order_id) == "pending"
    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
    eventually(
        lambda: all(shop.stack[n].readiness().get("stripe_circuit") for n in WORKERS),
        "every circuit is closed again",
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_unknown_and_the_same_key_finds_the_end(
    shop: Shop, twin: Twin, status: int
) -> None:
    twin.fault("reject", match=shop.aim, numbers={"status": status}, count=2)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    history = shop.database.rows(
        "SELECT to_state FROM payment_events WHERE event_id = %s ORDER BY id", event_id
    )
    assert [row[0] for row in history].count("unknown") == 2
    assert {row["idempotency_key"] for row in twin.posts(event_id)} == {str(event_id)}
    assert len(twin.charges(event_id)) == 1


def test_a_key_in_use_waits_for_the_first_request_and_charges_once(shop: Shop, twin: Twin) -> None:
    """Slower than our patience: the second post meets the first one still under way, a 409."""
    twin.fault("slow", match=shop.aim, numbers={"seconds": 5}, count=1)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert 409 in [row["status"] for row in twin.posts(event_id)]
    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]


def test_parameters_that_changed_under_a_key_park_the_payment(shop: Shop, twin: Twin) -> None:
    """Our own bug, if it ever happens: a new key would be a second charge."""
    for name in WORKERS:
        shop.stack[name].stop()
    order_id, event_id = shop.place()
    other = twin.charge(str(event_id), amount=PRICE_CENTS + 1)
    for name in WORKERS:
        shop.stack[name].start()

    shop.wait_payment(event_id, "parked")

    assert other.status == 200
    assert shop.database.payment(event_id)["failure_code"] == "idempotency_error"
    assert shop.status(order_id) == "pending"
    assert twin.charges(event_id) == []


def test_eight_refusals_park_the_payment_and_nothing_was_sent(shop: Shop, twin: Twin) -> None:
    twin.fault("rate_limit", match=shop.aim)
    order_id, event_id = shop.place()
    eventually(
        lambda: shop.database.run(
            "UPDATE payments SET transient_failures = 7, next_attempt_at = environment_now()"
            " WHERE event_id = %s AND state = 'pending' AND transient_failures > 0",
            event_id,
        ),
        "it was refused, and seven times more as far as it knows",
    )

    shop.wait_payment(event_id, "parked")

    assert shop.status(order_id) == "pending"
    assert twin.charges(event_id) == []


def move_clocks(shop: Shop, twin: Twin, seconds: int) -> None:
    """The environment's clock and the twin's together, as `stripe clock advance` does."""
    twin.ask("POST", "/clock/advance", {"seconds": seconds})
    shop.database.run(
        'UPDATE environment_clock SET "offset" = "offset" + make_interval(secs => %s)', seconds
    )


@pytest.mark.parametrize("executed", [True, False], ids=["charged", "never-charged"])
def test_an_unknown_payment_is_never_posted_again_a_day_later(
    shop: Shop, twin: Twin, executed: bool
) -> None:
    """By then Stripe has pruned the key, and a post would be a new charge."""
    if executed:
        twin.fault("execute_then_500", match={**shop.aim, "path": "/v1/payment_intents"})
    else:
        twin.fault("reject", match={"path": "/v1/payment_intents"}, numbers={"status": 503})
    # Nobody can look it up either: Stripe's lists are away, too.
    twin.fault("reject", match={"method": "GET"}, numbers={"status": 503})
    order_id, event_id = shop.place()
    shop.wait_payment(event_id, "unknown")
    assert len(twin.charges(event_id)) == (1 if executed else 0)

    move_clocks(shop, twin, 25 * 3600)
    before = len(twin.posts(event_id))
    twin.clear_faults()

    shop.wait_status(order_id, "paid" if executed else "cancelled")
    assert twin.posts(event_id)[before:] == []
    assert len(twin.charges(event_id)) == (1 if executed else 0)


@pytest.fixture
def lonely_gateway(database: Database, tmp_path: Path) -> Iterator[ServiceProcess]:
    """A gateway whose Stripe is an address where nobody listens."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running(gateway_alone(database.dsn, tmp_path, stripe_api_base=nowhere)) as service:
        yield service


def test_a_connection_refused_before_anything_was_sent_is_a_retry(
    lonely_gateway: ServiceProcess,
) -> None:
    answer = post_charge(lonely_gateway, uuid4())

    told = answer.json
    assert (answer.status, told["outcome"], told["may_run"]) == (200, "retry", False)
