"""Leases and the inbox, statement by statement on a real database: who may send, and once."""

from __future__ import annotations

import json
import random
from uuid import UUID, uuid4

import pytest

from runtime.adapters.store.payments import Cause
from runtime.domain.event import Record
from runtime.domain.lease import Lease
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Halt, Settled, Unknown
from runtime.domain.payment_events import Answered, SeenSucceeded, Step
from runtime.services.payments_worker import inbox
from runtime.steps import payment, queue
from runtime.steps.payment import Fenced
from tests.support.stack import Database, connect

RNG = random.Random(1)
PI = PaymentIntentId("pi_1")


def order(
    event_id: UUID, *, offset: int = 0, topic: str = "orders.placed", **changes: object
) -> Record:
    body = {
        "event_id": str(event_id),
        "order_id": f"ord_{event_id.hex}",
        "amount_cents": 100,
        "currency": "usd",
        **changes,
    }
    headers = {"tenant_id": "acme", "created_at": str(changes.get("created_at", ""))}
    return Record(topic, 0, offset, b"", json.dumps(body).encode(), headers)


def take_in(database: Database, *records: Record) -> inbox.Counts:
    with database.conn.transaction():
        return inbox.store_batch(database.conn, records, source="payments-worker", rng=RNG)


def lease(owner: str = "worker-0", seconds: float = 60.0) -> Lease:
    return Lease(owner, uuid4(), seconds)


def claim(database: Database, by: Lease) -> list[queue.PaymentClaim]:
    with database.conn.transaction():
        return queue.claim_due(database.conn, by, RNG, limit=10)


def give_up(database: Database, by: Lease) -> int:
    with database.conn.transaction():
        return queue.give_up_leases(database.conn, by, RNG, limit=10)


def test_a_payment_is_leased_to_one_worker_only(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))

    first, second = claim(database, lease("worker-0")), claim(database, lease("worker-1"))

    assert [item.row.event_id for item in first] == [event_id]
    assert second == []


def test_an_order_that_is_cancelled_in_its_own_batch_is_not_for_sending(database: Database) -> None:
    wanted, unwanted = uuid4(), uuid4()
    cancelled = order(unwanted, topic="orders.cancelled", root_event_id=str(unwanted))

    counts = take_in(database, order(wanted), order(unwanted, offset=1), cancelled)

    assert counts.new == (wanted, unwanted)
    assert [row.event_id for row in counts.claimable] == [wanted]
    assert database.payment_state(unwanted) == "failed"


def test_two_workers_that_claim_at_once_skip_each_others_rows(database: Database) -> None:
    take_in(database, *(order(uuid4(), offset=n) for n in range(6)))
    other = connect(database.dsn)

    with database.conn.transaction(), other.transaction():
        ours = queue.claim_due(database.conn, lease("worker-0"), RNG, limit=3)
        theirs = queue.claim_due(other, lease("worker-1"), RNG, limit=10)
    other.close()

    assert (len(ours), len(theirs)) == (3, 3)
    assert not {item.row.event_id for item in ours} & {item.row.event_id for item in theirs}


def test_a_lease_that_ran_out_is_claimed_again_under_another_token(database: Database) -> None:
    take_in(database, order(uuid4()))
    (first,) = claim(database, lease("worker-0", seconds=-1.0))

    assert give_up(database, lease("worker-1")) == 1
    (second,) = claim(database, lease("worker-1"))

    assert second.row.event_id == first.row.event_id
    assert second.token != first.token
    assert database.payment(first.row.event_id)["started_attempts"] == 2


def test_a_lease_ends_when_the_environment_clock_says_so(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))
    claim(database, lease("worker-0", seconds=60.0))
    before = give_up(database, lease("worker-1"))

    database.run("UPDATE environment_clock SET \"offset\" = interval '61 seconds'")

    assert (before, give_up(database, lease("worker-1"))) == (0, 1)
    assert database.payment_state(event_id) == "unknown"


def test_a_restarted_worker_finds_its_own_leases_at_once(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))
    claim(database, lease("worker-0"))

    assert give_up(database, lease("worker-1")) == 0
    assert give_up(database, lease("worker-0")) == 1
    assert database.payment_state(event_id) == "unknown"


def test_a_result_under_a_lost_lease_is_fenced_off(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))
    (lost,) = claim(database, lease("worker-0", seconds=-1.0))
    give_up(database, lease("worker-1"))
    (held,) = claim(database, lease("worker-1"))

    def answer(token: UUID) -> payment.Applied:
        with database.conn.transaction():
            event, cause = Answered(Settled(PI)), Cause("test")
            return payment.apply(database.conn, event_id, event, cause, rng=RNG, lease_token=token)

    assert isinstance(answer(lost.token), Fenced)
    assert database.payment_state(event_id) == "charging"
    assert isinstance(answer(held.token), Step)
    assert isinstance(answer(held.token), Fenced)
    assert database.outcomes(event_id) == ["PaymentCompleted"]


def test_two_who_saw_the_success_at_once_write_one_outcome(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))

    for _ in range(2):
        with database.conn.transaction():
            payment.apply(database.conn, event_id, SeenSucceeded(PI), Cause("webhook"), rng=RNG)

    assert database.outcomes(event_id) == ["PaymentCompleted"]


def test_a_batch_with_repeats_is_stored_once(database: Database) -> None:
    event_id = uuid4()
    twice = [order(event_id, offset=1), order(event_id, offset=2)]

    first, second = take_in(database, *twice), take_in(database, *twice)

    assert (first.inserted, second.inserted, second.duplicates) == (1, 0, 2)
    assert database.value("SELECT count(*) FROM dead_letters") == 0


def test_a_bad_record_read_twice_is_one_dead_letter(database: Database) -> None:
    bad = Record("orders.placed", 0, 7, b"", b"{", {})

    for _ in range(2):
        take_in(database, bad)

    assert database.rows("SELECT source, reason, source_offset FROM dead_letters") == [
        ("payments-worker", "bad_json", 7)
    ]


def test_an_order_cancelled_in_the_same_batch_is_never_sent(database: Database) -> None:
    event_id = uuid4()
    cancelled = order(
        uuid4(),
        offset=1,
        topic="orders.cancelled",
        root_event_id=str(event_id),
        order_id=f"ord_{event_id.hex}",
    )

    take_in(database, order(event_id), cancelled)

    assert claim(database, lease()) == []
    assert database.payment(event_id)["failure_code"] == "order_cancelled"
    assert database.outcomes(event_id) == ["PaymentFailed"]


def test_an_order_older_than_its_key_is_not_sent_before_stripe_was_asked(
    database: Database,
) -> None:
    event_id = uuid4()

    take_in(database, order(event_id, created_at="2020-01-01T00:00:00+00:00"))

    assert claim(database, lease()) == []
    assert (
        database.value(
            "SELECT (state, needs_reconcile, maybe_executed)::text FROM payments"
            " WHERE event_id = %s",
            event_id,
        )
        == "(unknown,t,t)"
    )


@pytest.mark.parametrize(("hours", "state"), [(22, "charging"), (24, "unknown")])
def test_a_day_on_the_environment_clock_ends_the_life_of_a_key(
    database: Database, hours: int, state: str
) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))
    claim(database, lease("worker-0"))
    give_up(database, lease("worker-0"))

    database.run('UPDATE environment_clock SET "offset" = make_interval(hours => %s)', hours)
    claim(database, lease("worker-0"))

    assert database.payment_state(event_id) == state


def test_a_payment_without_a_row_cannot_be_told_anything(database: Database) -> None:
    with database.conn.transaction():
        applied = payment.apply(
            database.conn, uuid4(), SeenSucceeded(PI), Cause("webhook"), rng=RNG
        )

    assert isinstance(applied, payment.Missing)


def test_a_refusal_does_not_age_the_key(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))
    (claimed,) = claim(database, lease())
    assert database.value("SELECT first_attempted_at FROM payments") is not None

    with database.conn.transaction():
        payment.apply(
            database.conn,
            event_id,
            Answered(Halt("invalid_api_key")),
            Cause("suite"),
            rng=RNG,
            lease_token=claimed.token,
        )

    assert database.rows("SELECT state, first_attempted_at FROM payments") == [("pending", None)]


def test_an_unanswered_attempt_ages_the_key(database: Database) -> None:
    event_id = uuid4()
    take_in(database, order(event_id))
    (claimed,) = claim(database, lease())

    with database.conn.transaction():
        payment.apply(
            database.conn,
            event_id,
            Answered(Unknown("no answer")),
            Cause("suite"),
            rng=RNG,
            lease_token=claimed.token,
        )

    ((state, first_attempted_at),) = database.rows("SELECT state, first_attempted_at FROM payments")
    assert state == "unknown"
    assert first_attempted_at is not None
