"""A run's folder survives the death of the tool: promises, probes and what is left to undo."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.runs import read_runs
from bookpayctl.runs import directory
from bookpayctl.runs.files import write_atomically


def as_if_killed(run: directory.Run) -> None:
    """Make the run's driver a process that no longer exists."""
    path = run.path / directory.RUN_FILE
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "pid_began_at": 1.0}))


def probes_of(runs_dir: Path) -> set[tuple[str, str]]:
    """What the judge leaves out because of these runs."""
    folder = runs_dir.parent / f"{runs_dir.name}-ledgers"
    with opened() as connection:
        read_runs(runs_dir, LedgerWriter(connection, folder))
        open_folder(connection, folder)
        return set(connection.execute("SELECT kind, id FROM probes").fetchall())


def test_a_promise_that_was_not_kept_is_found_after_a_kill(tmp_path: Path) -> None:
    run = directory.begin(tmp_path, "crash-mid-charge")
    run.promise_undo("disarm_failpoints", run_id=run.run_id)
    as_if_killed(run)

    (left,) = directory.unrecovered(tmp_path)

    assert left.run_id == run.run_id
    assert left.kind == "crash-mid-charge"
    assert not left.driver_alive
    assert [entry.op for entry in left.pending] == ["disarm_failpoints"]


def test_a_run_is_dead_only_when_it_began_here_and_its_process_is_no_more(tmp_path: Path) -> None:
    alive, dead = directory.begin(tmp_path, "check"), directory.begin(tmp_path, "check")
    as_if_killed(dead)

    assert directory.is_dead(tmp_path, dead.run_id)
    assert not directory.is_dead(tmp_path, alive.run_id)
    # Of another folder, perhaps of another machine: nothing is known of it.
    assert not directory.is_dead(tmp_path, "20261129-183607-check-6277")
    assert not directory.is_dead(tmp_path, "")


def test_a_run_whose_driver_lives_is_told_apart(tmp_path: Path) -> None:
    run = directory.begin(tmp_path, "check")
    run.promise_undo("delete_consumer_group", group="g")

    (left,) = directory.unrecovered(tmp_path)

    assert left.driver_alive


def test_a_kept_promise_leaves_nothing_to_recover(tmp_path: Path) -> None:
    run = directory.begin(tmp_path, "check")
    entry = run.promise_undo("delete_consumer_group", group="g")

    run.undone(entry)

    assert directory.unrecovered(tmp_path) == []


def test_a_resumed_run_goes_on_counting(tmp_path: Path) -> None:
    run = directory.begin(tmp_path, "check")
    run.promise_undo("delete_consumer_group", group="one")

    second = directory.resume(run.path).promise_undo("delete_consumer_group", group="two")

    assert second.number == 2
    assert [e.arguments["group"] for e in directory.read_undo(run.path)] == ["one", "two"]


def test_a_promise_cut_short_by_a_crash_was_never_made(tmp_path: Path) -> None:
    run = directory.begin(tmp_path, "check")
    run.promise_undo("delete_consumer_group", group="g")
    with (run.path / directory.UNDO_FILE).open("a") as file:
        file.write('{"number":2,"op":"disarm')

    assert [entry.number for entry in directory.read_undo(run.path)] == [1]


def test_probes_of_all_runs_are_excluded(tmp_path: Path) -> None:
    directory.begin(tmp_path, "check").probe("client_key", "check-1")
    directory.begin(tmp_path, "check").probe("event", "event-1")
    directory.begin(tmp_path, "check").probe("stripe_event", "evt_1")

    assert probes_of(tmp_path) == {
        ("client_key", "check-1"),
        ("event", "event-1"),
        ("stripe_event", "evt_1"),
    }


def test_an_unknown_kind_of_probe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a probe is one of"):
        directory.begin(tmp_path, "check").probe("order", "ord_1")


def test_an_environment_without_runs_has_nothing_to_recover(tmp_path: Path) -> None:
    assert directory.unrecovered(tmp_path / "runs") == []
    assert probes_of(tmp_path / "runs") == set()


def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, "first")

    write_atomically(path, "second")

    assert path.read_text() == "second"
    assert os.listdir(tmp_path) == ["report.json"]


def test_poison_of_a_run_is_among_the_ledgers_with_its_place(tmp_path: Path) -> None:
    run = directory.begin(tmp_path / "runs", "poison-message")
    named = {"fault": "bad-json", "topic": "orders.placed", "event_id": "e-1"}
    run.journal("poisoning", **named)
    run.journal("poisoned", **named, partition=2, offset=7)

    with opened() as connection:
        read_runs(tmp_path / "runs", LedgerWriter(connection, tmp_path / "ledgers"))
        open_folder(connection, tmp_path / "ledgers")
        found = connection.execute(
            "SELECT event, topic, partition_number, record_offset, event_id FROM faults"
            " ORDER BY event DESC"
        ).fetchall()

    assert found == [
        ("poisoning", "orders.placed", None, None, "e-1"),
        ("poisoned", "orders.placed", 2, 7, "e-1"),
    ]
