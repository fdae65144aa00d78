"""Wrong runtimes: events that are lost, changed or taken twice, and orders that follow none."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import UNSETTLED, RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit

_PUBLISHER: Final = "runtime/services/outbox_publisher/producing.py"

PAID: Final = ("order", "place", "--wait", "paid")
DECLINED: Final = (
    *("order", "place", "--payment-method", "pm_card_chargeDeclined"),
    *("--wait", "cancelled"),
)
AUDIT: Final = ("audit", "--age", "1s", "--timeout", "10s")

NO_INBOX: Final = (
    Edit(
        "runtime/steps/queue.py",
        """    return Inserted(
        tuple(new),
        tuple(known),
        tuple(item for item in rest if item.event.root not in known),
    )
""",
        """    conn.execute(
        "UPDATE payments SET state = 'pending', next_attempt_at = environment_now(),"
        " lease_owner = NULL, lease_incarnation = NULL, lease_token = NULL, lease_until = NULL"
        " WHERE event_id = ANY (%s)",
        (list(known),),
    )
    return Inserted(
        (*new, *payments.lock_pending(conn, list(known))),
        (),
        tuple(item for item in rest if item.event.root not in known),
    )
""",
    ),
)

STOCK_KEPT: Final = (
    Edit(
        "runtime/adapters/store/stock.py",
        'self._moved.append(conn.execute(_RELEASE, {"order_id": order_id}))',
        "pass",
    ),
)

MARKED_WITHOUT_ACKNOWLEDGEMENT: Final = (
    Edit(
        _PUBLISHER,
        "        if error is None:\n            in_flight.acknowledged(event_id)\n",
        "        if True:\n            in_flight.acknowledged(event_id)\n",
    ),
    Edit(
        "runtime/adapters/kafka.py",
        '"message.timeout.ms": 30_000',
        '"message.timeout.ms": 1_000',
    ),
)

PLACED_BEFORE_ITS_ORDER: Final = (
    Edit(
        "runtime/services/orders/place.py",
        "        outbox.insert_events(conn, [event])\n",
        # Split, because it is the copy that opens a session here, and not this file.
        "        with psycopg"
        ".connect(conn.info.dsn, autocommit=True) as at_once:\n"
        "            outbox.insert_events(at_once, [event])\n",
    ),
)

WRONG_EVENTS_AND_ORDERS: Final = (
    WrongStack(
        "publishers-without-a-lock",
        "every publisher takes itself for the leader",
        ("check", "--only", "BP-C002"),
        (RedAnswer("BP-C002", "0 sessions hold the publisher lock"),),
        (
            Edit(
                "runtime/adapters/store/publisher_lock.py",
                '    row = conn.execute("SELECT pg_try_advisory_lock(%s)",'
                " (PUBLISHER_LOCK_KEY,)).fetchone()\n    return bool(row and row[0])\n",
                "    return True\n",
            ),
        ),
    ),
    WrongStack(
        "marked-whatever-the-broker-says",
        "the publisher marks an event as published when it has given up sending it",
        ("drill", "run", "outage", "--at", "kafka", "--duration", "14s", "--timeout", "20s"),
        (RedAnswer("I06", ""),),
        MARKED_WITHOUT_ACKNOWLEDGEMENT,
    ),
    WrongStack(
        "placed-before-its-order",
        "OrderPlaced leaves in a transaction of its own, and its order is never committed",
        (
            *("drill", "run", "order-answer-lost", "--at", "before-commit-exit"),
            *("--duration", "8s", "--timeout", "30s"),
        ),
        (RedAnswer("I13", "charged for order"),),
        PLACED_BEFORE_ITS_ORDER,
    ),
    WrongStack(
        "payload-written-anew",
        "the publisher sends another text than the one that is in the row",
        AUDIT,
        (RedAnswer("I33", "another payload"),),
        (
            Edit(
                "runtime/services/outbox_publisher/message.py",
                "        value = row.payload\n",
                '        value = None if row.payload is None else row.payload + " "\n',
            ),
        ),
        before=(PAID,),
    ),
    WrongStack(
        "no-inbox",
        "the worker takes an order that it knows for a new one",
        ("check", "--only", "BP-C006"),
        (RedAnswer("BP-C006", ""),),
        NO_INBOX,
        before=(PAID,),
    ),
    WrongStack(
        "unreadable-records-skipped",
        "a consumer skips a record that it cannot read, and sets it aside for nobody",
        ("drill", "run", "poison-message", "--duration", "5s", "--timeout", "20s"),
        (RedAnswer("I28", "has no dead letter"),),
        (
            Edit(
                "runtime/adapters/consumer_loop.py",
                "    dead_letters.insert_record(conn, source=source, reason=reason,"
                " record=record)\n",
                "    del conn, source\n",
            ),
        ),
    ),
    WrongStack(
        "stock-not-released",
        "a cancelled order keeps its books",
        ("check", "--only", "BP-C005", "--timeout", "10s"),
        (RedAnswer("BP-C005", "not released"),),
        STOCK_KEPT,
    ),
    WrongStack(
        "paid-without-payment",
        "an order whose payment failed becomes paid",
        AUDIT,
        (RedAnswer("I11", ""),),
        (
            Edit(
                "runtime/domain/order.py",
                """        case OrderEvent.PAYMENT_FAILED:
            return (
                OrderStep(OrderStatus.CANCELLED, Stock.RELEASE)
""",
                """        case OrderEvent.PAYMENT_FAILED:
            return (
                OrderStep(OrderStatus.PAID, Stock.SELL)
""",
            ),
        ),
        before=((*DECLINED[:-1], "paid"),),
    ),
    WrongStack(
        "orders-follow-no-payment",
        "an order stays pending whatever becomes of its payment",
        ("demo", "--timeout", "10s"),
        (
            RedAnswer("demo/paid", "pending"),
            RedAnswer("demo/declined", "pending"),
            RedAnswer("demo/refunded", "pending"),
        ),
        (
            Edit(
                "runtime/domain/order.py",
                "    if named != total:\n        return AmountMismatch(total, named)\n",
                "    if named == total:\n        return ()\n",
            ),
        ),
    ),
    WrongStack(
        "history-that-never-rests",
        "the reconciler writes a step of every payment, second after second",
        AUDIT,
        (RedAnswer("I00", "no two alike", UNSETTLED),),
        (
            Edit(
                "runtime/services/payments_reconciler/service.py",
                "            waiting = reconcile.waiting(conn, captured=captured)\n",
                """            waiting = reconcile.waiting(conn, captured=captured)
            conn.execute(
                "INSERT INTO payment_events (event_id, kind, from_state, to_state, cause)"
                " SELECT event_id, 'refused', state, state, 'round' FROM payments"
            )
""",
            ),
        ),
        before=(PAID,),
    ),
    WrongStack(
        "webhooks-forgotten",
        "the receiver thanks for a webhook and does not keep it",
        AUDIT,
        (RedAnswer("I37", ""),),
        (
            Edit(
                "runtime/services/webhook_receiver/intake.py",
                "                self._store(parsed, body, headers, client)\n",
                '                logger.info("a webhook was taken")\n',
            ),
        ),
        before=(PAID,),
    ),
    WrongStack(
        "nobody-is-told",
        "the notifier takes note of an event and writes to nobody",
        AUDIT,
        (RedAnswer("I36", ""),),
        (
            Edit(
                "runtime/services/notifier/service.py",
                "        if not untold:\n            return\n        email = ",
                "        if untold or not untold:\n            return\n        email = ",
            ),
        ),
        before=(PAID,),
    ),
)
