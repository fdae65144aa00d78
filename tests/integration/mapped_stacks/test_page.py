"""docs/audit-your-own-stack.md, typed as it stands: from an empty folder to the first finding."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from docs.generate.pages import ROOT
from tests.support.command_line import CommandLine
from tests.support.console_blocks import console_blocks
from tests.support.servers import Servers
from tests.support.twin import API_KEY, CARD, running_twin

PAGE: Final = "docs/audit-your-own-stack.md"
TABLES: Final = """
CREATE TABLE orders (number text PRIMARY KEY, total numeric(10, 2), currency text, status text,
    placed_at timestamptz DEFAULT now() - interval '1 hour');
CREATE TABLE payments (id bigserial PRIMARY KEY, order_number text, amount numeric(10, 2),
    currency text, status text, stripe_id text);
INSERT INTO orders VALUES ('A-1', 20.00, 'usd', 'done'), ('A-2', 35.50, 'usd', 'shipped');
INSERT INTO payments (order_number, amount, currency, status, stripe_id)
    VALUES ('A-1', 20.00, 'usd', 'ok', '{paid}'), ('A-2', 35.50, 'usd', 'ok', NULL);
"""


def shown_mapping() -> str:
    """The mapping on the page; what follows it are parts of others."""
    return str(re.findall(r"^```toml\n(.*?)^```$", (ROOT / PAGE).read_text(), re.M | re.S)[0])


def test_the_page_leads_to_the_first_finding(postgres: Servers, tmp_path: Path) -> None:
    name = f"corner_{uuid4().hex}"
    with psycopg.connect(postgres.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    where = urlsplit(postgres.dsn)
    variables = {
        "PGHOST": str(where.hostname),
        "PGPORT": str(where.port),
        "PGUSER": str(where.username),
        "PGDATABASE": name,
        "PGPASSFILE": parse_qs(where.query)["passfile"][0],
    }
    key = tmp_path / "key"
    key.write_text(API_KEY)
    (tmp_path / "home").mkdir()
    file = tmp_path / "corner-shop.toml"
    (block,) = [one for one in console_blocks() if one.page == PAGE]
    init, test, audit = (line.removeprefix("bookpayctl ").split() for line in block.commands)
    cli = CommandLine(tmp_path / "home", variables)
    with running_twin(tmp_path / "twin") as twin:
        charged = twin.post("/v1/payment_intents", {**CARD, "metadata[order_number]": "A-1"})
        with psycopg.connect(postgres.dsn.replace("/bookpay?", f"/{name}?")) as conn:
            conn.execute(TABLES.format(paid=charged.json["id"]).encode())

        begun = cli.run(*init)
        guessed = tomllib.loads(file.read_text())
        text = re.sub(r"^dsn = .*$", "", shown_mapping(), flags=re.M)
        text = text.replace("/etc/shop/stripe-test-key", str(key))
        text = text.replace("[stripe]", f'[stripe]\napi_base = "{twin.api}"')
        file.write_text(text)
        tested, audited = cli.run(*test), cli.ask(*audit)

    assert (begun.returncode, list(guessed["tables"])) == (0, ["orders", "payments"])
    assert tested.returncode == 0, tested.stderr
    assert audited["exit"]["code"] == 1, audited["notes"]
    found = {item["id"]: item for item in audited["items"]}
    assert found["I10"]["verdict"] == "holds"
    assert found["I11"]["evidence"][0] == "A-2: paid, but Stripe has no such charge"
