"""A long ledger is no more work: SQLite's own steps are counted, so a busy machine changes nothing.

How long it takes with a million charges is in `benchmarks/stripe_twin_history.py`.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from pathlib import Path

import pytest

from bookpayctl.stripe_twin.application import StripeTwin
from bookpayctl.stripe_twin.settings import Settings
from bookpayctl.stripe_twin.wire.message import WireRequest
from tests.support.twin import CARD

FEW, MANY = 50, 5_000
# How many instructions of SQLite's machine one count stands for.
_STEP = 20
HEADERS = {"authorization": "Bearer sk_test_suite"}
COPY = """
WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})
INSERT INTO {table} ({columns})
SELECT {chosen} FROM numbers, (SELECT * FROM {table} WHERE n <= {highest})
"""
OBJECTS = "id, account, kind, created, payment_intent, customer, subject, body"
EVENTS = "id, account, created, type, object_id, body"
PAGES = (
    "/v1/payment_intents?limit=5",
    "/v1/payment_intents?limit=5&created[lt]=1",
    "/v1/payment_intents?customer=cus_nobody",
    "/v1/charges?payment_intent=pi_nobody",
    "/v1/charges?transfer_group=nobody",
    "/v1/customers?email=nobody@example.com",
    "/v1/payment_methods?type=us_bank_account",
    "/v1/refunds",
    "/v1/events?limit=5",
    "/v1/events?type=charge.refunded",
    "/v1/events?type=charge.*&limit=5",
    "/v1/events?types[]=charge.refunded&types[]=charge.succeeded&limit=5",
    "/v1/events?delivery_success=false",
    "/v1/events?delivery_success=true&limit=5",
    "/v1/balance",
    "/v1/balance_transactions?limit=5",
    "/v1/balance_transactions?type=refund",
    "/v1/balance_transactions?currency=chf",
)


def lengthen(data: Path, count: int) -> None:
    """Copy every object and event of a stopped twin's ledger so many times, under new ids."""
    database = sqlite3.connect(data / "ledger.sqlite3")
    for table, columns in (("objects", OBJECTS), ("events", EVENTS)):
        highest = database.execute(f"SELECT max(n) FROM {table}").fetchone()[0]
        chosen = columns.replace("id", "id || '_' || i", 1)
        database.execute(
            COPY.format(count=count, table=table, columns=columns, chosen=chosen, highest=highest)
        )
    database.commit()
    database.close()


def twin_of(data: Path) -> StripeTwin:
    return StripeTwin(Settings(data=data), wall=time.time, rng=random.Random(1))


async def make_one(data: Path) -> None:
    twin = twin_of(data)
    body = "&".join(f"{name}={value}" for name, value in CARD.items()).encode()
    answer = await twin.pipeline.handle(
        WireRequest("POST", "/v1/payment_intents", "", HEADERS, body)
    )
    assert answer.status == 200, answer.body
    await twin.ledger.close()


async def steps(data: Path) -> dict[str, int]:
    """How much SQLite does for each page; each asked for twice, so that all is prepared."""
    twin = twin_of(data)
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    twin.ledger.reader.set_progress_handler(count, _STEP)
    found = {}
    for page in PAGES:
        path, _, query = page.partition("?")
        for _ in range(2):
            counted = 0
            answer = await twin.pipeline.handle(WireRequest("GET", path, query, HEADERS, b""))
            assert answer.status == 200, answer.body
        found[page] = counted
    await twin.ledger.close()
    return found


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, int]]:
    """Counts by length of the ledger and page."""
    found = {}
    for count in (FEW, MANY):
        data = tmp_path_factory.mktemp(f"ledger{count}")
        asyncio.run(make_one(data))
        lengthen(data, count)
        found[count] = asyncio.run(steps(data))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_the_same_work_however_long_the_ledger_is(
    work: dict[int, dict[str, int]], page: str
) -> None:
    few, many = work[FEW][page], work[MANY][page]

    assert many <= 2 * few + 5
