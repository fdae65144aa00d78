"""Stacks that cannot be relied on: work that stands still, settings that forget, what fills up."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit
from bookpayctl.controls.events_and_orders import PAID

_HUNDRED_MEGABYTES_OF_LOG: Final = (
    "SELECT pg_logical_emit_message(false, 'control', repeat('.', 10000000))"
    " FROM generate_series(1, 10)"
)

_FORGET_MIGRATION: Final = (
    "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)"
)

WRONG_SURROUNDINGS: Final = (
    WrongStack(
        "outbox-without-index",
        "the outbox has lost its partial index",
        ("check", "--only", "BP-C001"),
        (RedAnswer("BP-C001", "no index outbox_unpublished_idx"),),
        sql=("DROP INDEX outbox_unpublished_idx",),
    ),
    WrongStack(
        "publisher-reads-nothing",
        "the publisher leads and takes no event from the outbox",
        ("check", "--only", "BP-O001"),
        (RedAnswer("BP-O001", "unpublished"),),
        (
            Edit(
                "runtime/services/outbox_publisher/service.py",
                "        if room < term.limit:\n            return []\n",
                "        if room <= IN_FLIGHT_MAX:\n            return []\n",
            ),
        ),
        before=(("order", "place"),),
        sql=("UPDATE outbox SET created_at = created_at - interval '1 hour'",),
    ),
    WrongStack(
        "offsets-never-committed",
        "consumers work and never say how far they are",
        ("check", "--only", "BP-O002", "--timeout", "5s"),
        (RedAnswer("BP-O002", "records behind"),),
        (
            Edit(
                "runtime/adapters/kafka.py",
                "        if offsets:\n"
                "            self.consumer.commit(offsets=offsets, asynchronous=True)\n",
                "        if offsets:\n            self._stored = {}\n",
            ),
        ),
        before=(PAID,),
    ),
    WrongStack(
        "payment-parked-for-an-hour",
        "a payment has been parked for an hour",
        ("check", "--only", "BP-O003"),
        (RedAnswer("BP-O003", "parked, the oldest for 6"),),
        before=(PAID,),
        sql=("UPDATE payments SET state = 'parked', created_at = created_at - interval '1 hour'",),
    ),
    WrongStack(
        "dead-letter-nobody-saw",
        "an event was set aside, and nobody has looked at it",
        ("check", "--only", "BP-O004"),
        (RedAnswer("BP-O004", "1 dead letters"),),
        sql=("INSERT INTO dead_letters (source, reason) VALUES ('orders-service', 'by hand')",),
    ),
    WrongStack(
        "topic-that-forgets",
        "orders.placed keeps its records for a minute",
        ("check", "--only", "BP-O005"),
        (RedAnswer("BP-O005", "orders.placed"),),
        topic_settings={"orders.placed": {"retention.ms": "60000"}},
    ),
    WrongStack(
        "forgotten-replication-slot",
        "a replication slot that nobody reads keeps more than a gigabyte of log",
        ("check", "--only", "BP-O006"),
        (RedAnswer("BP-O006", "slot forgotten keeps"),),
        sql=(
            "SELECT pg_create_physical_replication_slot('forgotten', true)",
            *[_HUNDRED_MEGABYTES_OF_LOG] * 11,
        ),
    ),
    WrongStack(
        "stripe-an-hour-ahead",
        "Stripe's clock, by which its ledger is dated, is an hour ahead",
        ("check", "--only", "BP-O007"),
        (RedAnswer("BP-O007", "Stripe is 3"),),
        before=(("stripe", "clock", "advance", "1h"),),
    ),
    WrongStack(
        "a-runtime-for-each-process",
        "every process runs another build of the runtime",
        ("check", "--only", "BP-O009"),
        (RedAnswer("BP-O009", "the services run"),),
        (
            Edit(
                "runtime/version.py",
                "    return digest.hexdigest()[:DIGEST_LENGTH]\n",
                '    return __import__("secrets").token_hex(DIGEST_LENGTH // 2)\n',
            ),
        ),
    ),
    WrongStack(
        "migration-not-applied",
        "the database does not know the newest migration",
        ("check", "--only", "BP-O010"),
        (RedAnswer("BP-O010", "is not applied"),),
        sql=(_FORGET_MIGRATION,),
    ),
    WrongStack(
        "webhook-secret-of-two-years",
        "webhooks are signed with a secret that is two years old",
        ("check", "--only", "BP-O011"),
        (RedAnswer("BP-O011", "the secret is unchanged for 7"),),
        aged_files=("secrets/stripe-webhook-secret",),
    ),
)
