"""Refunds statement by statement on a real database: whose answer counts, and whose news."""

from __future__ import annotations

import json
import random
from uuid import UUID, uuid4

import pytest

from runtime.adapters.store import refunds
from runtime.domain.lease import Lease
from runtime.domain.money import Money
from runtime.domain.names import EventId, PaymentIntentId
from runtime.domain.outcome import Declined, Settled
from runtime.domain.refund import RefundAnswered
from runtime.domain.stripe_event import StripeEvent, parse
from runtime.steps import refund, webhook
from runtime.steps.refund import RefundClaim
from tests.support.stack import ENVIRONMENT, Database

RNG = random.Random(1)
PI = PaymentIntentId("pi_1")
CENTS = 100


@pytest.fixture
def owed(database: Database) -> UUID:
    """A payment whose money has to go back, its first refund written; returns its event id."""
    event_id = EventId(uuid4())
    database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,"
        " payment_intent_id) VALUES (%s, 'ord_1', 'acme', %s, 'usd', 'refunding', %s)",
        *(event_id, CENTS, PI),
    )
    refunds.request_first(database.conn, event_id, PI, Money(CENTS, "usd"))
    return event_id


def claim(database: Database, owner: str, *, seconds: float) -> RefundClaim:
    with database.conn.transaction():
        lease = Lease(owner, uuid4(), seconds)
        (claimed,) = refund.claim_due(database.conn, lease, RNG, limit=10)
    return claimed


def answer(
    database: Database, claimed: RefundClaim, outcome: Settled | Declined
) -> refund.Moved | None:
    with database.conn.transaction():
        return refund.apply(
            database.conn,
            claimed.row.refund_id,
            RefundAnswered(outcome, "re_1"),
            "suite",
            rng=RNG,
            lease_token=claimed.token,
        )


def state(database: Database) -> str:
    found: str = database.value("SELECT state FROM refunds")
    return found


def test_an_answer_to_a_refund_under_a_lost_lease_is_dropped(
    database: Database, owed: UUID
) -> None:
    """The sender that slept comes back with a failure, while another sends the same refund."""
    lost = claim(database, "worker-0", seconds=-1.0)
    held = claim(database, "worker-1", seconds=60.0)

    late = answer(database, lost, Declined("refund_failed"))
    while_held = state(database)
    answer(database, held, Settled(PI))

    assert late is None
    assert while_held == "sending"
    assert (state(database), database.payment_state(owed)) == ("succeeded", "refunded")


def news(database: Database, **changes: object) -> StripeEvent:
    """Stripe tells that our refund has succeeded."""
    refund_id = database.value("SELECT refund_id FROM refunds")
    if state(database) == "pending":
        claim(database, "worker-0", seconds=60.0)
    thing = {
        "id": "re_1",
        "object": "refund",
        "status": "succeeded",
        "amount": CENTS,
        "currency": "usd",
        "payment_intent": PI,
        "metadata": {"refund_id": str(refund_id), "env": ENVIRONMENT},
        **changes,
    }
    document = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "refund.updated",
        "livemode": False,
        "data": {"object": thing},
    }
    event = parse(json.dumps(document).encode())
    assert isinstance(event, StripeEvent)
    return event


@pytest.mark.parametrize(
    ("changes", "reason"), [({"amount": CENTS - 1}, "amount"), ({"currency": "eur"}, "currency")]
)
def test_news_of_a_refund_that_disagrees_ends_nothing(
    database: Database, owed: UUID, changes: dict[str, object], reason: str
) -> None:
    with database.conn.transaction():
        effect = webhook.apply(
            database.conn, news(database, **changes), environment=ENVIRONMENT, rng=RNG
        )

    assert effect == webhook.Quarantined(reason)
    assert (state(database), database.payment_state(owed)) == ("sending", "refunding")


def test_news_of_a_refund_that_agrees_ends_it(database: Database, owed: UUID) -> None:
    with database.conn.transaction():
        webhook.apply(database.conn, news(database), environment=ENVIRONMENT, rng=RNG)

    assert (state(database), database.payment_state(owed)) == ("succeeded", "refunded")


# --- claims ---------------------------------------------------------------------------------


def looked_at(database: Database) -> tuple[object, ...]:
    (row,) = database.rows("SELECT state, maybe_executed, needs_reconcile FROM refunds")
    return row


def test_a_refund_whose_sender_came_back_is_unknown_and_sent_again_in_the_same_round(
    database: Database, owed: UUID
) -> None:
    first = claim(database, "worker-0", seconds=60.0)

    again = claim(database, "worker-0", seconds=60.0)

    assert again.row.refund.key.maybe_executed
    assert again.token != first.token
    assert looked_at(database) == ("sending", True, False)


def test_a_refund_that_another_worker_sends_is_left_alone(database: Database, owed: UUID) -> None:
    claim(database, "worker-0", seconds=60.0)

    with database.conn.transaction():
        claims = refund.claim_due(database.conn, Lease("worker-1", uuid4(), 60.0), RNG, limit=10)

    assert claims == []
    assert looked_at(database) == ("sending", False, False)


def test_a_refund_whose_key_stripe_may_have_pruned_is_looked_up_and_not_sent(
    database: Database, owed: UUID
) -> None:
    claim(database, "worker-0", seconds=-1.0)
    database.run(
        "UPDATE refunds SET first_attempted_at = environment_now() - interval '23 hours 1 second'"
    )

    with database.conn.transaction():
        claims = refund.claim_due(database.conn, Lease("worker-1", uuid4(), 60.0), RNG, limit=10)

    assert claims == []
    assert looked_at(database) == ("unknown", True, True)
