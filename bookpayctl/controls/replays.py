"""What a replay has to find out: rows changed behind the log, and who is charged by it."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.events_and_orders import NO_INBOX, PAID

WRONG_REPLAYS: Final = (
    WrongStack(
        "rows-changed-behind-the-log",
        "rows of the outbox, of orders and of payments were changed after they had been told",
        ("replay", "--mode", "verify"),
        (
            RedAnswer("R01", "which the outbox has not"),
            RedAnswer("R02", "is marked published, not in orders.cancelled"),
            RedAnswer("R03", "has another payload than its OrderPlaced"),
            RedAnswer("R05", "which is about other money"),
            RedAnswer("R06", "whose payment has another PaymentIntent"),
        ),
        sql=(
            # The record has no row then, and the row no record.
            "UPDATE outbox SET event_id = gen_random_uuid() WHERE event_type = 'OrderCancelled'",
            "UPDATE outbox SET payload = payload || '{\"n\": 1}' WHERE event_type = 'OrderPlaced'",
            "UPDATE orders SET total_cents = total_cents + 1 WHERE status = 'paid'",
            "UPDATE payments SET payment_intent_id = 'pi_of_another' WHERE state = 'succeeded'",
        ),
    ),
    WrongStack(
        "tables-drifted-from-the-log",
        "an order and its payment are elsewhere than the log tells",
        ("replay", "--mode", "shadow"),
        (RedAnswer("S01", "|cancelled"), RedAnswer("S02", "|failed|")),
        sql=(
            # What is younger than ten seconds is waited for.
            "UPDATE outbox SET created_at = created_at - interval '1 minute'",
            "UPDATE payments SET state = 'failed', failure_code = '-' WHERE state = 'succeeded'",
            "UPDATE orders SET status = 'cancelled', cancel_reason = '-' WHERE status = 'paid'",
        ),
    ),
    WrongStack(
        "no-inbox-replayed",
        "the worker takes an order that it knows for a new one, and the log is replayed",
        ("replay", "--timeout", "30s"),
        (RedAnswer("BP-C006", ""),),
        NO_INBOX,
        before=(PAID,),
    ),
    WrongStack(
        "no-inbox-sent-again",
        "the worker takes an order that it knows for a new one, and rows are published again",
        ("replay", "--source", "outbox", "--type", "OrderPlaced", "--timeout", "30s"),
        (RedAnswer("replay/nobody-charged", ""),),
        NO_INBOX,
        before=(PAID,),
    ),
)
