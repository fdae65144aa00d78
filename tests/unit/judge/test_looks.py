"""Two looks as files: what agrees, what is put side by side, and what is written down of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from bookpayctl.clients.kafka import LogRecord
from bookpayctl.judge import evaluation
from bookpayctl.judge.agreement import PARTS, digest, digests
from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.ledgers.manifest import (
    ManifestError,
    differences,
    read_manifest,
    write_manifest,
)
from bookpayctl.judge.ledgers.store import LedgerConnection, open_folder, opened
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.looks import LedgerLook, side_by_side
from bookpayctl.judge.readers.kafka import row_of
from bookpayctl.judge.readers.postgres import DatabaseMoment, selects
from bookpayctl.judge.stacks.ours import OurStack
from bookpayctl.judge.topics import topic_violations
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs import directory
from tests.support import judged_shop as shop
from tests.support.environments import environment_away
from tests.support.shop_rows import Facts
from tests.support.shop_tables import rows_of

D = shop.DATABASE
READ_AT = shop.at(90)


@pytest.fixture
def engine() -> Iterator[LedgerConnection]:
    with opened() as connection:
        yield connection


def kept(engine: LedgerConnection, folder: Path, facts: Facts) -> Path:
    """A folder of ledgers with these facts in it."""
    ledgers = LedgerWriter(engine, folder)
    for name, rows in {**dict.fromkeys(tables(), ()), **dict(rows_of(facts))}.items():
        with ledgers.sink(name) as sink:
            for row in rows:
                sink.put(row)
        ledgers.keep(sink)
    return folder


def digested(engine: LedgerConnection, folder: Path, **changes: Any) -> dict[str, str]:
    facts = shop.with_database(**changes)
    return digests(
        engine, kept(engine, folder, facts), "look", cut_off=shop.at(30), read_at=READ_AT
    )


def moved(engine: LedgerConnection, tmp_path: Path, **changes: Any) -> set[str]:
    """The parts in which a changed shop differs from the healthy one."""
    one, other = digested(engine, tmp_path / "a"), digested(engine, tmp_path / "b", **changes)
    return {part for part in one if one[part] != other[part]}


def test_two_looks_at_the_same_state_have_one_digest(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    backwards = {"orders": D.orders[::-1], "outbox": D.outbox[::-1]}

    assert moved(engine, tmp_path, **backwards) == set()


def test_anything_of_a_judged_order_that_moved_changes_the_digest(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    refunding = (replace(D.payments[0], state="refunding"), *D.payments[1:])

    assert moved(engine, tmp_path, payments=refunding) == {"payments"}


def test_orders_after_the_cut_off_do_not_change_the_digest(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    young = replace(D.orders[0], id="ord_young", created_at=shop.at(31))

    assert moved(engine, tmp_path, orders=(*D.orders, young)) == set()


@pytest.mark.parametrize("created_at", [READ_AT + timedelta(seconds=61), "infinity"])
def test_an_order_dated_ahead_belongs_to_the_digest_of_both_looks(
    engine: LedgerConnection, tmp_path: Path, created_at: datetime
) -> None:
    ahead = replace(D.orders[0], id="ord_ahead", created_at=created_at)

    assert moved(engine, tmp_path, orders=(*D.orders, ahead)) == {"orders"}


# In each part one row that belongs to a judged order; other columns are NULL.
OF_ONE_ORDER: Final = {
    "order_id": "ord_1",
    "event_id": "evt_1",
    "payment_intent_id": "pi_1",
    "created_at": "2026-11-22 12:00:00",
}
ANOTHER: Final = {"VARCHAR": "'x'", "TIMESTAMP": "TIMESTAMP '2026-11-22 12:00:01'"}


def one_order_look(engine: LedgerConnection) -> None:
    """A look at one order, each part with one row."""
    engine.execute("CREATE SCHEMA look")
    for name in PARTS:
        table = tables()[name]
        engine.execute(table.statement.replace(name, f"look.{name}", 1))
        row = ", ".join(
            f"CAST('{OF_ONE_ORDER[column.name]}' AS {column.type})"
            if column.name in OF_ONE_ORDER
            else "NULL"
            for column in table.columns
        )
        engine.execute(f"INSERT INTO look.{name} VALUES ({row})")
    engine.execute("CREATE TABLE look.due_orders AS SELECT 'ord_1' AS order_id")
    engine.execute(
        "CREATE TABLE look.due_payments AS SELECT 'evt_1' AS event_id, 'pi_1' AS payment_intent_id"
    )


@pytest.mark.parametrize("part", PARTS)
def test_every_column_of_a_part_is_in_its_digest(engine: LedgerConnection, part: str) -> None:
    one_order_look(engine)
    silent = []
    before = digest(engine, "look", part)
    for column in tables()[part].columns:
        if column.name in OF_ONE_ORDER and column.name != "created_at":
            continue
        other = ANOTHER.get(column.type, f"CAST(1 AS {column.type})")
        engine.execute("BEGIN")
        engine.execute(f"UPDATE look.{part} SET {column.name} = {other}")
        if digest(engine, "look", part) == before:
            silent.append(column.name)
        engine.execute("ROLLBACK")

    assert before.startswith("1 ")
    assert silent == (["published_at"] if part == "outbox" else [])


def test_rows_that_are_there_twice_do_not_cancel_each_other(engine: LedgerConnection) -> None:
    one_order_look(engine)
    engine.execute("INSERT INTO look.order_steps SELECT * FROM look.order_steps")
    twice = digest(engine, "look", "order_steps")

    engine.execute("UPDATE look.order_steps SET to_state = 'paid'")

    assert digest(engine, "look", "order_steps") != twice


def test_values_that_changed_places_change_the_digest(engine: LedgerConnection) -> None:
    one_order_look(engine)
    engine.execute("UPDATE look.order_steps SET step_number = 1, to_state = 'pending'")
    engine.execute(
        "INSERT INTO look.order_steps (order_id, step_number, to_state) VALUES ('ord_1', 2, 'paid')"
    )
    before = digest(engine, "look", "order_steps")

    engine.execute("UPDATE look.order_steps SET step_number = 3 - step_number")

    assert digest(engine, "look", "order_steps") != before


def poison_sent(runs_dir: Path) -> None:
    """The run that put into the topics what nobody can read."""
    run, poison = directory.begin(runs_dir, "poison-message"), shop.POISON
    run.probe("event", poison.event_id)
    run.journal(
        "poisoned", fault="bad-json", event_id=poison.event_id, topic=poison.topic,
        partition=poison.partition, offset=poison.offset,
    )  # fmt: skip


def combined(
    engine: LedgerConnection, root: Path, earlier: Facts, later: Facts, **absent: Absence
) -> Path:
    moment = DatabaseMoment(shop.at(60), timedelta(0), "18")
    stack = OurStack(environment_away(root, name=shop.ENVIRONMENT))
    poison_sent(stack.runs_dir)
    side_by_side(
        stack,
        engine,
        LedgerLook(kept(engine, root / "one", earlier), moment, absent),
        LedgerLook(kept(engine, root / "two", later), moment, {}),
        cut_off=shop.at(30),
        history=shop.HISTORY,
        folder=root / "ledgers",
    )
    open_folder(engine, root / "ledgers")
    evaluation.prepare(engine)
    return root / "ledgers"


def test_a_healthy_shop_that_went_through_files_violates_nothing(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    combined(engine, tmp_path, shop.healthy(), shop.healthy())

    found = evaluation.judge(engine)

    assert {item.id for item in found if item.verdict is not Verdict.HOLDS} == set()


def test_money_is_the_earlier_looks_and_rows_and_offsets_are_the_later_ones(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    behind = shop.with_log(offsets=tuple(replace(o, committed=0) for o in shop.LOG.offsets))
    unpaid = shop.with_database(orders=())

    combined(
        engine, tmp_path, replace(behind, database=unpaid.database), shop.with_stripe(charges=())
    )
    found = {item.id: item for item in evaluation.judge(engine)}

    assert found["I09"].verdict is Verdict.HOLDS
    assert found["I10"].examined == 3
    assert found["I11"].verdict is Verdict.HOLDS


def test_a_ledger_that_one_look_could_not_read_is_missing_with_its_reason(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    gone = Absence("Kafka could not be read: no broker", chosen=False)
    folder = combined(engine, tmp_path, shop.healthy(), shop.healthy(), log_records=gone)

    found = {item.id: item for item in evaluation.judge(engine)}

    assert found["I07"].verdict is Verdict.UNKNOWN
    assert found["I07"].reason == gone.reason
    assert not (folder / "log_records.parquet").exists()


def written_down(engine: LedgerConnection, tmp_path: Path) -> Path:
    folder = combined(engine, tmp_path, shop.healthy(), shop.healthy())
    write_manifest(
        engine, folder, tmp_path / "manifest.json", rules_sha256="r", sources={"postgresql": "18"}
    )
    return folder


def test_a_manifest_has_the_rows_and_times_of_every_file(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    folder = written_down(engine, tmp_path)

    manifest = read_manifest(tmp_path / "manifest.json")

    assert manifest.tables["outbox"]["rows"] == 11
    assert manifest.tables["outbox"]["from"] == "2026-11-22T12:00:00"
    assert manifest.tables["outbox"]["to"] == "2026-11-22T12:00:04"
    assert set(manifest.tables) == {path.stem for path in folder.iterdir()}
    assert differences(manifest, folder) == []


def test_a_file_that_was_edited_is_missing_or_was_added_is_told(
    engine: LedgerConnection, tmp_path: Path
) -> None:
    folder = written_down(engine, tmp_path)
    (folder / "orders.parquet").write_bytes((folder / "payments.parquet").read_bytes())
    (folder / "refunds.parquet").unlink()
    (folder / "more.parquet").write_bytes(b"")

    assert differences(read_manifest(tmp_path / "manifest.json"), folder) == [
        "orders.parquet is not the file that was written down",
        "refunds.parquet is missing; it had 1 rows",
        "more.parquet was written down by nobody",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(ManifestError):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize("name", sorted(selects()))
def test_each_select_of_ours_gives_the_columns_of_its_table_in_their_order(name: str) -> None:
    first = selects()[name].partition("UNION ALL")[0].partition("\nFROM")[0]
    text = re.sub(r"^--.*\n", "", first, flags=re.MULTILINE).partition("SELECT")[2]
    text = re.sub(r"'[^']*'", "", text)
    # Commas within brackets part no columns.
    while "(" in text:
        text = re.sub(r"\([^()]*\)", "", text)
    columns = [part.split()[-1].rpartition(".")[2] for part in text.split(",")]

    given = [column for column in columns if column]
    assert given == [c for c in tables()[name].names if c in given]
    assert set(tables()[name].names) == set(given)


def test_poison_in_a_topic_becomes_a_row_that_any_engine_holds() -> None:
    headers = {"event_id": "e\x00", "publisher_term": "no number"}
    payload = {"amount_cents": 2**70, "order_id": 7, "currency": "\ud800"}
    record = LogRecord("orders.paid", 0, 1, "k\x00", headers, payload, None, "sha")

    row = row_of(record)

    assert (row["record_key"], row["event_id"]) == ("k\ufffd", "e\ufffd")
    assert (row["amount"], row["order_id"], row["currency"]) == (None, None, "?")
    assert row["publisher_term"] is None


def test_topics_alone_are_judged_by_the_same_rule() -> None:
    found = topic_violations([shop.topic("orders.paid", partitions=2)])

    assert topic_violations(shop.LOG.topics or ()) == []
    assert ("orders.paid", "2 partitions, required at least 3") in {
        (v.subject, v.detail) for v in found
    }
    assert len(found) == 7
