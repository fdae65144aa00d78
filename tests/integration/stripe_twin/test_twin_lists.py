"""Lists of the twin by creation time, and the judge's reading of a whole account from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.clients.stripe_api import Collection, StripeApi
from bookpayctl.judge.ledgers.store import SUFFIX, opened, quoted
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.stripe import LISTS, OUR_METADATA, read_lists
from tests.support.twin import API_KEY, TwinProcess

MADE = 230
"""Charges of the account, so that every list but that of disputes has more than two pages."""

TURNED_BACK = 4
"""How many requests each fault strikes."""

ID_COLUMNS = {
    "stripe_payment_intents": "payment_intent_id",
    "stripe_charges": "charge_id",
    "stripe_refunds": "stripe_refund_id",
    "stripe_events": "stripe_event_id",
    "stripe_disputes": "stripe_dispute_id",
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinProcess]:
    """Charges and their refunds, some in the same second and some an hour apart."""
    process = TwinProcess(tmp_path_factory.mktemp("account"))
    for number in range(MADE):
        intent = process.charge(f"root-{number}", **{"metadata[event_id]": f"root-{number}"}).json
        process.refund(intent["id"])
        if number % 20 == 0:
            process.ask("POST", "/clock/advance", {"seconds": 1 if number % 40 else 3_600})
    yield process
    assert process.stop() == 0, process.log.read_text()


def paged(account: TwinProcess, path: str, **fields: Any) -> tuple[list[dict[str, Any]], int]:
    """A list to its end, by its own `has_more`, and how many pages that were."""
    found: list[dict[str, Any]] = []
    pages, more = 0, True
    while more:
        after = {"starting_after": found[-1]["id"]} if found else {}
        page = account.get(path, limit=50, **fields, **after).json
        found += page["data"]
        more = page["has_more"]
        pages += 1
        assert len(page["data"]) == 50 or not more
    return found, pages


@pytest.mark.parametrize("name", ["payment_intents", "charges", "refunds", "events"])
def test_a_range_of_creation_times_is_paged_like_the_list(account: TwinProcess, name: str) -> None:
    whole, _ = paged(account, f"/v1/{name}")
    moments = sorted({one["created"] for one in whole})
    begin, end = moments[len(moments) // 4], moments[len(moments) * 3 // 4]
    within = [one["id"] for one in whole if begin <= one["created"] < end]
    beyond = [one["id"] for one in whole if begin < one["created"] <= end]

    half_open, pages = paged(account, f"/v1/{name}", **{"created[gte]": begin, "created[lt]": end})
    other_half, _ = paged(account, f"/v1/{name}", **{"created[gt]": begin, "created[lte]": end})

    assert [one["id"] for one in half_open] == within
    assert [one["id"] for one in other_half] == beyond
    assert pages > 1, "all was on one page, so no cursor was examined"


@pytest.mark.parametrize("fault", ["rate_limit", "reject"])
def test_an_account_is_read_whole_and_once_though_it_refuses_some_pages(
    account: TwinProcess, fault: str, tmp_path: Path
) -> None:
    fault_id = account.fault(fault, count=TURNED_BACK, match={"method": "GET", "path": "/v1/*"})
    told: list[str] = []

    with opened() as connection:
        api = StripeApi(account.api, API_KEY)
        read_lists(api.page, LedgerWriter(connection, tmp_path), OUR_METADATA, told.append)
        kept = {
            table: [
                row[0]
                for row in connection.execute(
                    f"SELECT {column} FROM read_parquet({quoted(tmp_path / f'{table}{SUFFIX}')})"
                ).fetchall()
            ]
            for table, column in ID_COLUMNS.items()
        }

    hits = account.rows("/fault-hits", fault_id=fault_id)
    assert len(hits) == TURNED_BACK
    assert f"refused {TURNED_BACK} pages" in told[-1]
    for table, ids in kept.items():
        collection: Collection = LISTS[table][0]
        whole, _ = paged(account, f"/v1/{collection}")
        assert sorted(ids) == sorted(one["id"] for one in whole), table
    assert len(kept["stripe_charges"]) == MADE


def test_an_account_is_asked_for_parts_of_a_list_side_by_side(
    account: TwinProcess, tmp_path: Path
) -> None:
    asked: list[tuple[Collection, int | None]] = []
    api = StripeApi(account.api, API_KEY)

    def page(collection: Collection, **bounds: Any) -> Any:
        asked.append((collection, bounds["end"]))
        return api.page(collection, **bounds)

    with opened() as connection:
        read_lists(page, LedgerWriter(connection, tmp_path), OUR_METADATA, print)

    assert len({end for collection, end in asked if collection == "events"}) > 2
