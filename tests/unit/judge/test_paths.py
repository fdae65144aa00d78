"""Where in a record a fact stands: paths, JSON inside of JSON, and amounts of any shape."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from bookpayctl.clients.kafka import LogRecord
from bookpayctl.judge.mapping.document import MappingError, MoneyUnit, TopicMapping
from bookpayctl.judge.mapping.loading import mapping_of
from bookpayctl.judge.mapping.paths import SeenRecord, found_at, minor_units, problem_of, text_at
from bookpayctl.judge.readers.mapped_log import row_of
from docs.generate.pages import ROOT

HEAD = "version = 1\nname = 'shop'\n[tables.orders]\nselect = 'SELECT'\n"
KAFKA = HEAD + "[kafka]\nbootstrap_servers = 'a'\n"
RECORD = SeenRecord("k1", {"id": "e1"}, {"a": {"b": [{"c": 7}]}, "inner": '{"x": "y"}', "t": True})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("key", "k1"),
        ("header:id", "e1"),
        ("header:none", None),
        ("=OrderPlaced", "OrderPlaced"),
        ("$.a.b[0].c", 7),
        ("$.a.b[1].c", None),
        ("$.a.b.c", None),
        ("$.inner.x", "y"),
        ("$.nothing.at.all", None),
    ],
)
def test_a_path_leads_to_what_stands_there(path: str, value: Any) -> None:
    assert problem_of(path) is None
    assert found_at(path, RECORD) == value


@pytest.mark.parametrize("path", ["", "a.b", "$a", "$.a..b", "$.a[x]", "header:", "=", "$.a b"])
def test_what_is_no_path_is_told(path: str) -> None:
    assert "is none of" in (problem_of(path) or "")


@pytest.mark.parametrize("document", [None, 5, "text", '"{', [1], {"a": None}])
def test_poison_leads_nowhere(document: Any) -> None:
    assert found_at("$.a.b", SeenRecord("", {}, document)) is None


def test_only_texts_and_whole_numbers_are_ids() -> None:
    assert text_at("$.a.b[0].c", RECORD) == "7"
    assert text_at("$.t", RECORD) is None
    assert text_at("$.a", RECORD) is None
    assert text_at(None, RECORD) is None


@pytest.mark.parametrize(
    ("value", "currency", "unit", "units"),
    [
        (1999, "eur", MoneyUnit.MINOR, 1999),
        ("19.99", "eur", MoneyUnit.MAJOR, 1999),
        (19.99, "eur", MoneyUnit.MAJOR, 1999),
        (500, "jpy", MoneyUnit.MAJOR, 500),
        (1.5, "kwd", MoneyUnit.MAJOR, 1500),
        (19.999, "eur", MoneyUnit.MAJOR, "19.999"),
        (19.5, "eur", MoneyUnit.MINOR, "19.5"),
        (5, "xyz", MoneyUnit.MAJOR, "5"),
        (True, "eur", MoneyUnit.MINOR, "True"),
        ("NaN", "eur", MoneyUnit.MINOR, "NaN"),
        ("much", "eur", MoneyUnit.MINOR, "much"),
        (None, "eur", MoneyUnit.MINOR, None),
    ],
)
def test_an_amount_is_whole_minor_units_or_no_amount(
    value: Any, currency: str, unit: MoneyUnit, units: Any
) -> None:
    assert minor_units(value, currency, unit) == units


def test_a_record_of_debeziums_outbox_router_is_read() -> None:
    topic = TopicMapping(
        *("header:id", "header:eventType", "key", None, "$.payload.total", "$.payload.ccy"),
        money=MoneyUnit.MAJOR,
        types={"OrderCreated": "OrderPlaced"},
    )
    record = LogRecord(
        "outbox.event.order", 2, 5, "17", {"id": "e1", "eventType": "OrderCreated"}, {},
        datetime(2026, 1, 1, tzinfo=UTC), "abc",
        document={"schema": {}, "payload": '{"total": 49.99, "ccy": "EUR"}'},
    )  # fmt: skip

    row = row_of(record, topic)

    assert (row["event_id"], row["event_type"], row["order_id"]) == ("e1", "OrderPlaced", "17")
    assert (row["amount"], row["currency"]) == (4999, "eur")


def test_the_events_on_the_page_are_a_mapping() -> None:
    page = (ROOT / "docs" / "audit-your-own-stack.md").read_text()
    shown = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    (text,) = [one for one in shown if "[kafka.topics" in one]
    first, rest = text.split("\n", 1)

    mapping = mapping_of(f"{first}\n{HEAD}{rest}")

    assert mapping.change_data_capture
    assert mapping.kafka is not None
    assert mapping.kafka.topic_of_type == {"OrderPlaced": "outbox.event.order"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (KAFKA, "kafka needs bootstrap_servers and topics"),
        (KAFKA + "topics.a = { event_id = 'key' }", "kafka.topics.a.event_type is missing"),
        (KAFKA + "topics.a = { event_id = 'x', event_type = 'key' }", "is none of key"),
        (KAFKA + "topics.a = { event_di = 'key' }", "did you mean event_id?"),
        (
            KAFKA + "topics.a = { event_id = 'key', event_type = 'key', types = { a = 'b' } }",
            "'b' is none of OrderPlaced",
        ),
        (
            KAFKA + "groups.g = ['b']\ntopics.a = { event_id = 'key', event_type = 'key' }",
            "kafka.groups.g must be a list of topics",
        ),
        (
            KAFKA
            + "topics.a = { event_id = 'key', event_type = 'key', types = { a = 'OrderPaid' } }\n"
            + "topics.b = { event_id = 'key', event_type = 'key', types = { b = 'OrderPaid' } }",
            "OrderPaid is in two topics",
        ),
        ("absent.kafka = 'no'\n" + KAFKA, "kafka is read and said to be absent"),
    ],
)
def test_a_slip_about_kafka_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(MappingError) as refused:
        mapping_of(text)

    assert told in str(refused.value)
