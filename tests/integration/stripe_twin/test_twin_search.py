"""Search finds by every clause the language has; lists filter; the index is derived and healed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.twin import TwinProcess, new_key

DECLINED = "pm_card_visa_chargeDeclined"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinProcess]:
    """A twin with five payments, all old enough to be found; numbered by `metadata.number`."""
    twin = TwinProcess(tmp_path_factory.mktemp("searched"))
    charges: tuple[dict[str, object], ...] = (
        {"amount": 100},
        {"amount": 200, "currency": "eur"},
        {"amount": 300, "metadata[shelf]": "it's AND 'more'"},
        {"amount": 400, "payment_method": DECLINED},
        {"amount": 500, "metadata[shelf]": "Upper"},
    )
    for number, fields in enumerate(charges):
        twin.charge(new_key(), **{"metadata[number]": number, **fields})
    twin.ask("POST", "/clock/advance", {"seconds": 61})
    yield twin
    assert twin.stop() == 0, twin.log.read_text()


def search(twin: TwinProcess, query: str, path: str = "payment_intents", **more: Any) -> Any:
    return twin.get(f"/v1/{path}/search", query=query, **more).json


def numbers(found: Any) -> list[int]:
    return [int(each["metadata"]["number"]) for each in found["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status:'succeeded'", [4, 2, 1, 0]),
        ("status:'requires_payment_method'", [3]),
        ("metadata['number']:'2'", [2]),
        ('metadata["number"]:"2" AND status:"succeeded"', [2]),
        ("metadata['number']:'2' AND currency:'eur'", []),
        ("metadata['number']:'2' OR metadata['number']:'4'", [4, 2]),
        ("currency:'eur'", [1]),
        ("-currency:'eur' AND -status:'succeeded'", [3]),
        ("amount>300", [4, 3]),
        ("amount>=300 AND amount<500", [3, 2]),
        ("amount:200", [1]),
        ("-metadata['shelf']:null", [4, 2]),
        ("metadata['shelf']:null", [3, 1, 0]),
        ("metadata['shelf']~'PP'", [4]),
        (r"metadata['shelf']:'it\'s AND \'more\''", [2]),
        ("created>0 AND amount<200", [0]),
        ("created<1000", []),
    ],
)
def test_a_query_finds_what_it_describes(
    searched: TwinProcess, query: str, expected: list[int]
) -> None:
    assert numbers(search(searched, query)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("refunded:'false' AND status:'failed'", [3]),
        ("payment_method_details.card.last4:4242", [4, 2, 1, 0]),
        ("disputed:'true'", []),
    ],
)
def test_charges_are_found_by_their_own_fields(
    searched: TwinProcess, query: str, expected: list[int]
) -> None:
    assert numbers(search(searched, query, "charges")) == expected


@pytest.mark.parametrize(
    "query",
    [
        "status=='x'",
        "colour:'red'",
        "status:'a' AND amount>1 OR amount<3",
        "amount~1",
        "status>'a'",
        "status:'a' status:'b'",
        " AND ".join(["amount>1"] * 11),
        "amount:'many'",
    ],
)
def test_a_query_that_makes_no_sense_is_refused(searched: TwinProcess, query: str) -> None:
    refused = searched.get("/v1/payment_intents/search", query=query)

    assert (refused.status, refused.error["param"]) == (400, "query")


def test_pages_of_a_search_follow_each_other(searched: TwinProcess) -> None:
    client = searched.sdk()

    pages = client.v1.payment_intents.search({"query": "status:'succeeded'", "limit": 3})
    all_of_them = [intent.metadata["number"] for intent in pages.auto_paging_iter()]
    refused = searched.get("/v1/payment_intents/search", query="amount>1", page="nonsense")

    assert all_of_them == ["4", "2", "1", "0"]
    assert refused.error["param"] == "page"


def test_a_search_shows_and_judges_the_object_as_it_is(twin: TwinProcess) -> None:
    event_id = new_key()
    made = twin.charge(new_key(), capture_method="manual", **{"metadata[event_id]": event_id}).json
    twin.ask("POST", "/clock/advance", {"seconds": 61})
    by_event = f"metadata['event_id']:'{event_id}'"

    before = search(twin, f"{by_event} AND status:'requires_capture'")
    twin.post(f"/v1/payment_intents/{made['id']}/capture")
    after = search(twin, f"{by_event} AND status:'requires_capture'")
    now = search(twin, by_event)

    assert [intent["id"] for intent in before["data"]] == [made["id"]]
    assert after["data"] == []
    assert [intent["status"] for intent in now["data"]] == ["succeeded"]


def test_deleted_customers_are_not_found_any_more(twin: TwinProcess) -> None:
    client = twin.sdk()
    email = f"{new_key()}@example.com"
    kept, gone = (client.v1.customers.create({"email": email}).id for _ in range(2))
    twin.ask("POST", "/clock/advance", {"seconds": 61})

    both = client.v1.customers.search({"query": f"email:'{email}'"})
    client.v1.customers.delete(gone)
    one = client.v1.customers.search({"query": f"email:'{email}'"})
    listed = client.v1.customers.list({"email": email})

    assert [customer.id for customer in both.data] == [gone, kept]
    assert [customer.id for customer in one.data] == [kept]
    assert [customer.id for customer in listed.data] == [kept]


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    made = twin.charge(new_key(), **{"metadata[a]": "b"}).json
    twin.ask("POST", "/clock/advance", {"seconds": 61})
    first = search(twin, "metadata['a']:'b'")
    twin.stop()
    for path in tmp_path.glob("search.sqlite3*"):
        path.write_bytes(b"not a database" * 1000)

    again = TwinProcess(tmp_path)
    second = search(again, "metadata['a']:'b'")
    again.stop()

    assert [intent["id"] for intent in first["data"]] == [made["id"]]
    assert second["data"] == first["data"]


def test_an_index_that_breaks_under_way_is_made_again_and_stops_nobody(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    made = twin.charge(new_key(), **{"metadata[a]": "b"}).json
    twin.ask("POST", "/clock/advance", {"seconds": 61})
    first = search(twin, "metadata['a']:'b'")
    index = sqlite3.connect(tmp_path / "search.sqlite3")
    index.execute("DROP TABLE terms")
    index.commit()
    index.close()

    second = search(twin, "metadata['a']:'b'")
    charged = twin.charge(new_key()).status
    code = twin.stop()

    assert [intent["id"] for intent in first["data"]] == [made["id"]]
    assert second["data"] == first["data"]
    assert (charged, code) == (200, 0)


def test_events_are_listed_by_several_types_and_by_wildcard(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    twin.charge(new_key())
    twin.charge(new_key(), payment_method=DECLINED)

    def types(query: str) -> list[str]:
        return [event["type"] for event in twin.get(f"/v1/events?{query}").json["data"]]

    several = types("types[]=charge.failed&types[]=payment_intent.succeeded")
    wild = types("type=charge.*")
    none = types("type=nothing.at.all")
    paged = types("types[]=charge.failed&types[]=charge.succeeded&limit=1")
    twin.stop()

    assert several == ["charge.failed", "payment_intent.succeeded"]
    assert wild == ["charge.failed", "charge.succeeded"]
    assert none == []
    assert paged == ["charge.failed"]


def test_transactions_are_listed_by_type_currency_and_source(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    dollars = twin.charge(new_key()).json
    twin.charge(new_key(), currency="eur")
    refund = twin.post("/v1/refunds", {"payment_intent": dollars["id"], "amount": 5}).json

    def listed(**fields: str) -> list[tuple[str, str]]:
        page = twin.get("/v1/balance_transactions", **fields).json["data"]
        return [(transaction["type"], transaction["currency"]) for transaction in page]

    seen = (
        listed(),
        listed(type="charge"),
        listed(type="charge", currency="eur"),
        listed(currency="usd"),
        listed(source=refund["id"]),
        listed(payout="po_1"),
    )
    twin.ask("POST", "/clock/advance", {"seconds": 2 * 24 * 3600})
    statuses = {t["status"] for t in twin.get("/v1/balance_transactions").json["data"]}
    pending = twin.get("/v1/balance").json["pending"]
    twin.stop()

    assert seen == (
        [("refund", "usd"), ("charge", "eur"), ("charge", "usd")],
        [("charge", "eur"), ("charge", "usd")],
        [("charge", "eur")],
        [("refund", "usd"), ("charge", "usd")],
        [("refund", "usd")],
        [],
    )
    assert statuses == {"available"}
    assert [entry["amount"] for entry in pending] == [0, 0]
