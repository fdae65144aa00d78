"""A shop that knows nothing of ours: its own tables, words, units and times, and a Stripe account.

Purchases and transactions, no outbox, no Kafka, no history of states. Amounts are euros with a
decimal point, times have no zone and are Berlin's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.support.servers import Servers
from tests.support.twin import API_KEY, CARD, Twin

SCHEMA: Final = """
CREATE SCHEMA laden;
CREATE TYPE laden.phase AS ENUM ('in_cart', 'settled', 'handed_over', 'called_off');
CREATE TABLE laden.purchase (
    id serial PRIMARY KEY,
    buyer_email text NOT NULL,
    gross numeric(10, 2) NOT NULL,
    ccy char(3) NOT NULL DEFAULT 'EUR',
    phase laden.phase NOT NULL,
    placed timestamp NOT NULL DEFAULT timezone('Europe/Berlin', now()) - interval '1 hour'
);
CREATE TABLE laden.transaction (
    id uuid PRIMARY KEY,
    purchase_id int NOT NULL REFERENCES laden.purchase,
    processor_ref text,
    gross numeric(10, 2) NOT NULL,
    result text NOT NULL
);
"""

MAPPING: Final = """
version = 1
name = "laden"

[database]
dsn = "{dsn}"
time_zone = "Europe/Berlin"

[stripe]
key_variable = "LADEN_STRIPE_KEY"
api_base = "{stripe}"
order_metadata = "purchase"

[tables.orders]
money = "major"
select = '''
SELECT id AS order_id, gross AS amount, ccy AS currency, phase AS status, placed AS created_at
FROM laden.purchase -- the buyer stays here
'''
translate.status = {{ in_cart = "pending", settled = "paid", handed_over = "paid", called_off = "cancelled" }}

[tables.payments]
money = "major"
select = '''
SELECT t.id AS event_id, t.purchase_id AS order_id, t.gross AS amount, p.ccy AS currency,
    t.result AS state, t.processor_ref AS payment_intent_id
FROM laden.transaction AS t JOIN laden.purchase AS p ON p.id = t.purchase_id
'''
translate.state = {{ ok = "succeeded", declined = "failed" }}

[absent]
{absent}
"""  # noqa: E501 - an inline table of TOML is one line

WITHOUT: Final = (
    *("order_steps", "outbox", "payment_steps", "refunds", "outside_refunds", "disputes"),
    *("inventory", "reservations", "webhooks", "dead_letters", "calls", "letters", "shadows"),
    "kafka",
)
"""What this shop does not have."""


@dataclass(frozen=True)
class ForeignShop:
    """The shop, its database and its Stripe account."""

    dsn: str
    conn: psycopg.Connection[tuple[object, ...]]
    twin: Twin

    def mapping(self, path: Path, **changed: str) -> Path:
        """Its mapping as a file; `changed` are texts in place of others."""
        absent = "\n".join(f'{name} = "we never had one"' for name in WITHOUT)
        text = MAPPING.format(dsn=self.dsn, stripe=self.twin.api, absent=absent)
        for old, new in changed.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return path

    def sell(self, cents: int, *, charged: int = 1, phase: str = "settled") -> int:
        """One purchase that was paid for, with as many charges as is said; returns its id."""
        row = self.conn.execute(
            "INSERT INTO laden.purchase (buyer_email, gross, phase) VALUES (%s, %s, %s)"
            " RETURNING id",
            ("ada@example.org", cents / 100, phase),
        ).fetchone()
        assert row is not None
        purchase = int(str(row[0]))
        reference = None
        for _ in range(charged):
            asked = {**CARD, "amount": cents, "currency": "eur", "metadata[purchase]": purchase}
            reference = self.twin.post("/v1/payment_intents", asked).json["id"]
        self.conn.execute(
            "INSERT INTO laden.transaction VALUES (%s, %s, %s, %s, 'ok')",
            (uuid4(), purchase, reference, cents / 100),
        )
        return purchase


VARIABLES: Final = {"LADEN_STRIPE_KEY": API_KEY}


def open_shop(servers: Servers, twin: Twin) -> ForeignShop:
    """An empty shop in a database of its own; its connection is the caller's to close."""
    name = f"laden_{uuid4().hex}"
    with psycopg.connect(servers.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = servers.dsn.replace("/bookpay?", f"/{name}?")
    shop = psycopg.connect(dsn, autocommit=True)
    shop.execute(SCHEMA.encode())
    return ForeignShop(dsn, shop, twin)
