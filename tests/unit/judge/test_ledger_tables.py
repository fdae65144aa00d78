"""The canonical ledgers: rows hold what a source gives, or say that they cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.sink import RowSink, Value
from bookpayctl.judge.ledgers.store import (
    LedgerConnection,
    StoreError,
    keep_csv,
    keep_lines,
    open_folder,
    opened,
)
from bookpayctl.judge.ledgers.tables import UNREADABLE, tables
from bookpayctl.judge.rules import RuleError, derived_tables, name_of, rule_of, rules
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, TOPICS_OF_GROUP, Service

HEAD = """-- id: I99
-- title: a title
-- asks: a question.
-- required: an answer
-- needs: orders, payments | outbox, outbox.created_at
-- examined: orders

"""
BODY = "-- violations\nSELECT 1;\n\n-- examined\nSELECT 2;\n"


@pytest.fixture
def engine() -> Iterator[LedgerConnection]:
    with opened() as connection:
        yield connection


def test_every_column_of_the_schema_has_a_type_and_a_meaning() -> None:
    found = tables()

    assert len(found) == 33
    assert [t.name for t in found.values() if not t.meaning.endswith(".")] == []
    assert all(column.meaning for table in found.values() for column in table.columns)
    assert {c.type for t in found.values() for c in t.columns} <= {
        "VARCHAR", "BIGINT", "INTEGER", "BOOLEAN", "TIMESTAMP",
    }  # fmt: skip


def test_no_line_of_the_schema_is_lost_when_it_is_read() -> None:
    text = (Path(__file__).parents[3] / "bookpayctl/judge/ledgers/schema.sql").read_text()
    columns = re.findall(r"^    \w+ .*-- ", text, re.MULTILINE)

    assert len(columns) == sum(len(table.columns) for table in tables().values())
    assert text.count("CREATE TABLE") == len(tables())


def test_every_table_that_a_source_fills_can_say_what_could_not_be_held() -> None:
    without = {table.name for table in tables().values() if UNREADABLE not in table.names}

    assert without == {"judgement", "absent"}


def kept(
    engine: LedgerConnection, folder: Path, name: str, *rows: dict[str, Value]
) -> list[object]:
    with RowSink(tables()[name], folder / "lines") as sink:
        for row in rows:
            sink.put(row)
    keep_lines(engine, tables()[name], sink.path, folder)
    open_folder(engine, folder)
    return list(engine.execute(f"SELECT * FROM {name}").fetchall())


def test_rows_come_back_as_they_went_in(engine: LedgerConnection, tmp_path: Path) -> None:
    at = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
    row: dict[str, Value] = {
        "order_id": 'o\'1\n"x"',
        "tenant_id": "",
        "amount": 2**63 - 1,
        "currency": "usd",
        "status": "paid",
        "created_at": at,
    }

    found = kept(engine, tmp_path, "orders", row)

    assert found == [
        ('o\'1\n"x"', "", 2**63 - 1, "usd", "paid", None, at.replace(tzinfo=None), None)
    ]


def test_a_table_without_rows_is_empty_and_has_its_columns(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    assert kept(engine, tmp_path, "orders") == []
    assert engine.execute("SELECT COUNT(amount) FROM orders").fetchone() == (0,)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", 2**63),
        ("amount", "12"),
        ("amount", True),
        ("status", "a\x00b"),
        ("status", "\ud800"),
        ("status", 7),
        ("created_at", "yesterday"),
    ],
)
def test_what_no_column_can_hold_is_null_and_named(
    engine: LedgerConnection, tmp_path: Path, column: str, value: Value
) -> None:
    kept(engine, tmp_path, "orders", {"order_id": "o1", "currency": "usd", column: value})

    assert engine.execute(f"SELECT order_id, {column}, unreadable FROM orders").fetchall() == [
        ("o1", None, column)
    ]


def test_what_postgresql_copies_is_read_as_it_was(engine: LedgerConnection, tmp_path: Path) -> None:
    csv = tmp_path / "letters.csv"
    csv.write_text('event_id,unreadable\n"",\n"a ""b""\n,c",\n,event_id\n')

    keep_csv(engine, tables()["letters"], csv, tmp_path)
    open_folder(engine, tmp_path)

    found = engine.execute("SELECT * FROM letters").fetchall()
    assert found == [("", None), ('a "b"\n,c', None), (None, "event_id")]


def test_every_type_is_read_as_postgresql_writes_it(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    csv = tmp_path / "webhooks.csv"
    csv.write_text(
        "stripe_event_id,type,object_id,received_at,processed,parked,unreadable\n"
        'evt_1,"a,b",,2026-11-22 12:00:00.5,t,f,\n'
        "evt_2,c,x,,f,t,received_at\n"
    )

    keep_csv(engine, tables()["webhooks"], csv, tmp_path)
    open_folder(engine, tmp_path)

    at = datetime(2026, 11, 22, 12, 0, 0, 500_000)  # noqa: DTZ001 - ledgers hold UTC
    assert engine.execute("SELECT * FROM webhooks").fetchall() == [
        ("evt_1", "a,b", None, at, True, False, None),
        ("evt_2", "c", "x", None, False, True, "received_at"),
    ]


def test_columns_in_another_order_than_the_tables_are_refused(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    csv = tmp_path / "letters.csv"
    csv.write_text("unreadable,event_id\n")

    with pytest.raises(StoreError, match="letters was read with columns unreadable, event_id"):
        keep_csv(engine, tables()["letters"], csv, tmp_path)


def test_what_several_rules_ask_of_can_be_made_of_empty_ledgers(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    open_folder(engine, tmp_path)

    made = [engine.execute(statement).fetchall() for statement in derived_tables()]

    assert len(made) == 25


def made_columns(engine: LedgerConnection, folder: Path) -> dict[str, set[str]]:
    """The columns of each derived table, as the judge makes them."""
    open_folder(engine, folder)
    evaluation.prepare(engine)
    found: dict[str, set[str]] = {}
    for table, column in engine.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
    ).fetchall():
        found.setdefault(table, set()).add(column)
    return {name_of(text): found[name_of(text)] for text in derived_tables()}


def test_a_derived_table_has_no_column_that_no_rule_reads(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    made = made_columns(engine, tmp_path)

    assert made["judged_events"] == {
        "event_id", "event_type", "order_id", "amount", "currency", "has_amount", "published",
        "created_at", "topic",
    }  # fmt: skip


def test_a_derived_table_has_what_tables_on_it_read(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    made = made_columns(engine, tmp_path)

    assert {"judged", "client_key"} <= made["customers_orders"]
    assert {"ours", "payment_intent_id", "status"} <= made["intents"]


def test_no_rule_compares_rows_by_columns_that_it_does_not_name() -> None:
    texts = [*derived_tables(), *(t for rule in rules() for t in rule.tables.values())]
    texts += [text for rule in rules() for text in rule.statements.values()]
    comparing = re.compile(r"\bDISTINCT\b(?! FROM)|\bUNION\b(?! ALL)|\bEXCEPT\b|\bINTERSECT\b")

    assert [t for t in texts if re.search(r"SELECT (\w+\.)?\*", t) and comparing.search(t)] == []


def test_the_names_in_the_rules_are_those_of_the_protocol(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    open_folder(engine, tmp_path)
    for statement in derived_tables():
        engine.execute(statement)

    topics = dict(engine.execute("SELECT * FROM event_topics").fetchall())
    told = {topic for (topic,) in engine.execute("SELECT * FROM told_topics").fetchall()}

    assert topics == {name: topic.value for name, topic in TOPIC_OF_EVENT_TYPE.items()}
    assert told == {topic.value for topic in TOPICS_OF_GROUP[Service.NOTIFIER]}


def test_every_rule_needs_tables_of_the_schema() -> None:
    needed = {name for rule in rules() for group in rule.reads for name in group}
    times = {tuple(place.split(".")) for rule in rules() for place in rule.columns}
    columns = {(table.name, name) for table in tables().values() for name in table.names}

    assert len(rules()) == 37
    assert needed - set(tables()) == set()
    assert times - columns == set()


def test_a_rule_is_its_head_and_its_statements() -> None:
    rule = rule_of("I99_a_title.sql", f"{HEAD}-- own: why\nSELECT 0 -- not this\n;\n\n{BODY}")

    assert rule.needs == (("orders",), ("payments", "outbox"))
    assert rule.columns == ("outbox.created_at",)
    assert list(rule.tables) == ["own"]
    assert rule.statements == {"violations": "SELECT 1", "examined": "SELECT 2"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("I98_a_title.sql", HEAD + BODY),
        ("I99_a_title.sql", HEAD.replace("-- needs", "-- reads") + BODY),
        ("I99_a_title.sql", HEAD + BODY.replace("-- examined", "-- counted")),
        ("I99_a_title.sql", f"{HEAD}{BODY}\n-- excused\nSELECT 3;\n"),
    ],
)
def test_a_rule_that_lacks_something_is_refused(name: str, text: str) -> None:
    with pytest.raises(RuleError, match=name):
        rule_of(name, text)
