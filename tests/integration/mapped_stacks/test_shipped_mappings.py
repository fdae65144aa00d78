"""The mappings that are shipped, each on the tables that it speaks of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.mapping import shipped
from bookpayctl.judge.mapping.loading import mapping_of
from bookpayctl.judge.mapping.tables import REQUIRED, columns_of
from bookpayctl.judge.readers.mapped import read_mapped
from bookpayctl.judge.readers.postgres import read_database
from tests.support.command_line import CommandLine
from tests.support.moved_rows import payment_row, refund_told
from tests.support.publishing import write_event
from tests.support.servers import Servers
from tests.support.stack import Database
from tests.support.twin import API_KEY, CARD, running_twin

SPREE: Final = """
CREATE TABLE spree_orders (id serial PRIMARY KEY, number varchar, total decimal(10, 2),
    state varchar, payment_state varchar, currency varchar, completed_at timestamp);
CREATE TABLE spree_payments (id serial PRIMARY KEY, amount decimal(10, 2), order_id int,
    state varchar, response_code varchar, created_at timestamp DEFAULT now(), number varchar);
CREATE TABLE spree_refunds (id serial PRIMARY KEY, payment_id int, amount decimal(10, 2),
    transaction_id varchar);
INSERT INTO spree_orders (number, total, state, payment_state, currency, completed_at) VALUES
    ('R1', 20.00, 'complete', 'paid', 'USD', now() AT TIME ZONE 'UTC' - interval '1 hour'),
    ('R2', 20.00, 'complete', 'paid', 'USD', now() AT TIME ZONE 'UTC' - interval '1 hour'),
    ('R3', 20.00, 'cart', NULL, 'USD', NULL);
INSERT INTO spree_payments (amount, order_id, state, response_code, number) VALUES
    (20.00, 1, 'completed', '{paid}', 'P1'), (20.00, 2, 'completed', 'pi_nobody_has', 'P2'),
    (20.00, 3, 'checkout', NULL, 'P3');
"""
PLAIN: Final = """
CREATE TABLE orders (id text PRIMARY KEY, total_cents bigint, currency text, status text,
    created_at timestamptz DEFAULT now() - interval '1 hour');
CREATE TABLE payments (id bigserial PRIMARY KEY, order_id text, amount_cents bigint, currency text,
    status text, stripe_payment_intent_id text, created_at timestamptz DEFAULT now());
INSERT INTO orders VALUES ('A', 2000, 'usd', 'paid'), ('B', 2000, 'usd', 'paid');
INSERT INTO payments (order_id, amount_cents, currency, status, stripe_payment_intent_id)
    VALUES ('A', 2000, 'usd', 'succeeded', '{paid}'), ('B', 2000, 'usd', 'succeeded', NULL);
"""
DEBEZIUM: Final = """
CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(12, 2), currency text, status text,
    created_at timestamptz);
CREATE TABLE outboxevent (id uuid, aggregatetype text, aggregateid text, type text, payload jsonb);
"""


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_mapping_loads_as_it_stands(name: str) -> None:
    assert mapping_of(shipped.text_of(name)).tables["orders"].select


def made(postgres: Servers, statements: str) -> str:
    name = f"shipped_{uuid4().hex}"
    with psycopg.connect(postgres.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = postgres.dsn.replace("/bookpay?", f"/{name}?")
    with psycopg.connect(dsn) as conn:
        conn.execute(statements.encode())
    return dsn


@pytest.mark.parametrize(
    ("name", "tables", "unpaid"), [("spree", SPREE, "R2"), ("plain-shop", PLAIN, "B")]
)
def test_a_shop_of_a_known_kind_is_judged_by_its_shipped_mapping(
    postgres: Servers, tmp_path: Path, name: str, tables: str, unpaid: str
) -> None:
    (tmp_path / "home").mkdir()
    file = tmp_path / "shop.toml"
    cli = CommandLine(tmp_path / "home", {"STRIPE_API_KEY": API_KEY})
    with running_twin(tmp_path / "twin") as twin:
        charged = twin.post("/v1/payment_intents", CARD).json["id"]
        dsn = made(postgres, tables.format(paid=charged))

        assert cli.run("mapping", "init", str(file), "--like", name).returncode == 0
        text = file.read_text().replace("[database]\n", f'[database]\ndsn = "{dsn}"\n')
        file.write_text(text.replace("[stripe]\n", f'[stripe]\napi_base = "{twin.api}"\n'))
        document = cli.ask("audit", "--mapping", str(file), "--age", "1ms")

    found = {item["id"]: item for item in document["items"]}
    assert document["exit"]["code"] == 1, document["notes"]
    assert found["I10"]["verdict"] == found["I35"]["verdict"] == "holds"
    assert [line.partition(":")[0] for line in found["I11"]["evidence"]] == [unpaid]
    assert document["context"]["judged_orders"] == "2"


def test_the_outbox_convention_of_debezium_fits_its_table(
    postgres: Servers, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    file = tmp_path / "shop.toml"
    cli = CommandLine(tmp_path / "home")
    assert cli.run("mapping", "init", str(file), "--like", "debezium-outbox").returncode == 0
    dsn = made(postgres, DEBEZIUM)
    file.write_text(file.read_text().replace("[database]\n", f'[database]\ndsn = "{dsn}"\n'))

    document = cli.ask("mapping", "test", str(file))

    assert (document["exit"]["code"], document["problems"]) == (0, [])


def test_a_name_that_is_not_shipped_is_told_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    cli = CommandLine(tmp_path / "home")

    done = cli.run("mapping", "init", str(tmp_path / "a.toml"), "--like", "list")

    assert done.returncode == 2
    assert "debezium-outbox, ours, plain-shop, spree" in done.stderr


def test_our_own_stack_reads_the_same_by_its_mapping(
    create_database: Callable[..., str], tmp_path: Path
) -> None:
    dsn = create_database()
    database = Database(dsn)
    payment_row(database, "succeeded")
    refund_told(database, "re_1", 500, "succeeded")
    write_event(database, payload={"order_id": "ord_1", "amount_cents": 1999, "currency": "usd"})
    mapping = replace(mapping_of(shipped.text_of("ours")), stripe=None, kafka=None)

    with opened() as engine:
        read_database(dsn, LedgerWriter(engine, tmp_path / "ours"))
        read_mapped(dsn, mapping, LedgerWriter(engine, tmp_path / "mapped"))
        open_folder(engine, tmp_path / "ours", "ours")
        open_folder(engine, tmp_path / "mapped", "mapped")
        differing = {}
        for name in REQUIRED:
            columns = ", ".join(columns_of(name))
            both = [f"(SELECT {columns} FROM {way}.{name})" for way in ("ours", "mapped")]
            question = f"{both[0]} EXCEPT ALL {both[1]}"
            back = f"{both[1]} EXCEPT ALL {both[0]}"
            differing[name] = engine.execute(f"({question}) UNION ALL ({back})").fetchall()
    database.conn.close()

    assert set(mapping.tables) == set(REQUIRED)
    assert json.dumps({k: v for k, v in differing.items() if v}, default=str) == "{}"
