"""Wrong runtimes: what a broker or a database takes away is believed, answered or marked wrong."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit
from bookpayctl.controls.events_and_orders import NO_INBOX

_KAFKA: Final = "runtime/adapters/kafka.py"

OUTAGE_ANSWERED_AS_OURS: Final = (
    Edit(
        "runtime/services/orders/http.py",
        '        outage.failed(error)\n        return problem.render(Problem("unavailable"))\n',
        '        outage.failed(error)\n        return problem.render(Problem("internal"))\n',
    ),
)

WRONG_ABOUT_SERVERS: Final = (
    WrongStack(
        "lost-events-stay-lost",
        "nobody publishes an event again that had no consequence",
        ("drill", "run", "kafka-records-deleted", "--duration", "8s", "--timeout", "20s"),
        (RedAnswer("kafka-records-deleted/gap-refilled", "0 published again"),),
        (
            Edit(
                "runtime/services/payments_reconciler/missed_events.py",
                "        if now - self._looked_at < window / 4:\n",
                "        if now - self._looked_at < window * 1e6:\n",
            ),
        ),
    ),
    WrongStack(
        "no-inbox-when-all-is-read-again",
        "the worker takes an order that it knows for a new one, and loses its offsets",
        ("drill", "run", "kafka-offsets-lost", "--duration", "25s", "--timeout", "30s"),
        (RedAnswer("kafka-offsets-lost/nothing-sent-again", "sent to Stripe again"),),
        NO_INBOX,
    ),
    WrongStack(
        "same-client-for-another-topic",
        "who has read a topic goes on with the same client when it was made again",
        ("drill", "run", "kafka-topic-recreated", "--duration", "14s", "--timeout", "40s"),
        (RedAnswer("kafka-topic-recreated/at-rest", "no worker has taken it in"),),
        (
            Edit(
                "runtime/adapters/kafka_progress.py",
                "    if made := progress.made_again():\n",
                "    if made := progress.made_again()[:0]:\n",
            ),
        ),
    ),
    WrongStack(
        "new-partitions-unseen",
        "a consumer looks for new partitions once an hour",
        ("drill", "run", "kafka-partitions-added", "--duration", "20s", "--timeout", "20s"),
        (RedAnswer("kafka-partitions-added/new-partitions-read", "are read to their end"),),
        (
            Edit(
                _KAFKA,
                '            "fetch.wait.max.ms": 500,\n'
                '            "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,\n',
                '            "fetch.wait.max.ms": 500,\n'
                '            "topic.metadata.refresh.interval.ms": 3_600_000,\n',
            ),
        ),
    ),
    WrongStack(
        "webhooks-thanked-for-and-not-kept",
        "the receiver thanks for a webhook that it cannot store",
        ("drill", "run", "postgres-restarts", "--duration", "30s", "--timeout", "30s"),
        (RedAnswer("I37", ""),),
        (
            Edit(
                "runtime/services/webhook_receiver/intake.py",
                '            return REFUSALS["unavailable"]\n',
                "            return RECEIVED\n",
            ),
        ),
    ),
    WrongStack(
        "marked-when-the-producer-took-it",
        "the publisher marks an event as published when its client has taken it",
        (
            "drill",
            "run",
            "publisher-crash",
            "--at",
            "marked",
            "--duration",
            "8s",
            "--timeout",
            "20s",
        ),
        (RedAnswer("publisher-crash/marked-ones-are-there", "is marked published and not there"),),
        (
            Edit(
                "runtime/services/outbox_publisher/producing.py",
                "        in_flight.sent(row.event_id)\n        return True\n",
                "        in_flight.acknowledged(row.event_id)\n        return True\n",
            ),
            Edit(_KAFKA, '            "linger.ms": 1,\n', '            "linger.ms": 500,\n'),
        ),
    ),
    WrongStack(
        "client-key-of-no-use",
        "an order is kept under another key than its client sent",
        ("drill", "run", "order-answer-lost", "--duration", "8s", "--timeout", "30s"),
        (RedAnswer("order-answer-lost/one-order", "2 orders named"),),
        (
            Edit(
                "runtime/services/orders/place.py",
                "        client_key=key,\n",
                '        client_key=f"{key}/{uuid4().hex}",\n',
            ),
        ),
    ),
    WrongStack(
        "lost-session-answered-as-ours",
        "the orders API answers 500 where its database was away for a moment",
        ("drill", "run", "postgres-sessions-terminated", "--duration", "16s", "--timeout", "30s"),
        (RedAnswer("postgres-sessions-terminated/orders-answered", "500"),),
        OUTAGE_ANSWERED_AS_OURS,
    ),
    WrongStack(
        "no-connection-answered-as-ours",
        "the orders API answers 500 where it gets no connection",
        ("drill", "run", "postgres-connections-exhausted", "--duration", "16s", "--timeout", "30s"),
        (RedAnswer("postgres-connections-exhausted/orders-answered", "500"),),
        OUTAGE_ANSWERED_AS_OURS,
    ),
    WrongStack(
        "copies-made-up",
        "a book that somebody else was quicker to take is sold all the same",
        ("drill", "run", "last-copy-race", "--duration", "8s", "--timeout", "30s"),
        (RedAnswer("last-copy-race/sold-once", " orders: "),),
        (
            Edit(
                "runtime/adapters/store/stock.py",
                "    UPDATE inventory SET on_hand = on_hand - wanted.quantity,\n",
                "    UPDATE inventory SET on_hand = greatest(on_hand - wanted.quantity, 0),\n"
                "        initial = greatest(initial, reserved + sold + wanted.quantity),\n",
            ),
            Edit(
                "runtime/adapters/store/stock.py",
                "      AND on_hand >= wanted.quantity AND unit_price_cents = wanted.price\n",
                "      AND unit_price_cents = wanted.price\n",
            ),
        ),
    ),
    WrongStack(
        "results-without-a-lease",
        "a worker writes its result whoever has the lease by then",
        ("drill", "run", "worker-frozen", "--duration", "40s", "--timeout", "40s"),
        (RedAnswer("worker-frozen/ghost-fenced", "late steps"),),
        (
            Edit(
                "runtime/steps/payment.py",
                "    if lease_token is not None and row.lease_token != lease_token:\n",
                "    if lease_token is not None and row is None:\n",
            ),
        ),
    ),
)
