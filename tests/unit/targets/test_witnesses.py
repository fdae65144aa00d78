"""Witnesses in containers: what they see, what they say, and what is heard of it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bookpayctl.targets.container import canary
from bookpayctl.targets.container.onlooker import SeenProcess, process_of_container, read_process
from bookpayctl.targets.witness import HeardLine, Witness
from tests.support.waiting import eventually


def process(proc: Path, pid: int, *, parent: int, began: int, state: str = "S") -> None:
    """One process as the kernel tells of it; field 22 is its start."""
    folder = proc / str(pid)
    folder.mkdir()
    others = " ".join(["0"] * 17)
    (folder / "stat").write_text(f"{pid} (a (b) c) {state} {parent} {others} {began} 0\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    return tmp_path


def test_the_process_of_a_container_is_the_oldest_that_nobody_here_started(proc: Path) -> None:
    process(proc, 1, parent=0, began=10)
    process(proc, 7, parent=0, began=20)
    process(proc, 8, parent=7, began=15)
    # Commands that were run in the container later.
    process(proc, 30, parent=0, began=900)
    process(proc, 31, parent=0, began=910)

    found = process_of_container(proc, me=31, user=proc.stat().st_uid)

    assert found == SeenProcess(began=20, pid=7, parent=0, state="S")


def test_of_others_and_of_the_dead_none_is_the_containers(proc: Path) -> None:
    process(proc, 1, parent=0, began=10)
    process(proc, 7, parent=0, began=20, state="Z")

    assert process_of_container(proc, me=31, user=proc.stat().st_uid) is None
    process(proc, 8, parent=0, began=25)
    assert process_of_container(proc, me=31, user=proc.stat().st_uid + 1) is None


def test_a_name_with_brackets_hides_no_state(proc: Path) -> None:
    process(proc, 7, parent=3, began=20, state="T")

    assert read_process(proc / "7") == SeenProcess(began=20, pid=7, parent=3, state="T")


class Answering:
    """A connection that answers until it is told to break."""

    def __init__(self, broken: threading.Event) -> None:
        self._broken = broken

    def ask(self) -> str:
        if self._broken.is_set():
            raise ConnectionResetError("reset by peer")
        return "HTTP 200"

    def close(self) -> None: ...


def test_a_canary_says_each_question_before_its_answer_and_why_none_came() -> None:
    broken, said = threading.Event(), list[str]()

    def lines(connection: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in said]
        return [line for line in found if line["connection"] == connection]

    singing = threading.Thread(
        target=canary.run, args=(lambda: Answering(broken), 60.0, said.append), daemon=True
    )
    singing.start()
    eventually(
        lambda: len(lines(canary.KEPT)) >= 4 and len(lines(canary.NEW)) >= 4, "two questions each"
    )
    broken.set()
    eventually(
        lambda: "error" in lines(canary.KEPT)[-1] and "error" in lines(canary.NEW)[-1], "both broke"
    )

    for connection in (canary.KEPT, canary.NEW):
        first, second = lines(connection)[:2]
        assert (first["number"], first["asked"]) == (1, True)
        assert (second["number"], second["answer"]) == (1, "HTTP 200")
    assert lines(canary.KEPT)[-1]["error"] == "reset by peer"


def test_a_connection_that_was_closed_is_not_opened_anew_in_its_place() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            with conn:
                conn.recv(4096)
                conn.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    with listener, closing(canary.HttpConnection(*listener.getsockname())) as connection:
        assert connection.ask().startswith("HTTP 200, ")
        with pytest.raises(OSError, match="NotConnected"):
            connection.ask()


def test_what_a_witness_said_is_kept_with_when_it_was_heard() -> None:
    witness = Witness("payments-worker-a")

    witness.hear('{"state": "T"}')
    witness.hear("[1]")

    first, second = witness.heard()
    assert first.document() == {"state": "T"}
    assert second.document() == {}
    assert first.at <= second.at
    assert witness.end is None


def test_whoever_waits_for_a_witness_that_has_ended_waits_no_longer() -> None:
    witness = Witness("payments-worker-a")
    witness.hear("one")
    witness.close("exit status 0")
    witness.close("later")

    waited = witness.wait_for(lambda lines: len(lines) == 2, deadline_seconds=60.0)

    assert not waited.reached
    assert [line.text for line in waited.value] == ["one"]
    assert witness.end == "exit status 0"


def test_a_line_that_is_no_json_is_no_document() -> None:
    assert HeardLine(0.0, "Traceback").document() == {}
