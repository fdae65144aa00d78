"""A kind that a killed `up` left behind is waited for; another process under its id is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.targets.kind.creator import living_creator, note_creator, wait_for_creator
from bookpayctl.targets.kind.errors import KindDeadlineError


@pytest.fixture
def creator() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as process:
        yield process


def end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=30)


def test_who_comes_after_a_kill_waits_until_kind_has_ended(
    creator: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    note, said = tmp_path / "creator.json", list[str]()
    note_creator(note, creator.pid)

    with pytest.raises(KindDeadlineError, match=f"pid {creator.pid}"):
        wait_for_creator(note, deadline_seconds=0.0, tell=said.append)
    end(creator)
    wait_for_creator(note, deadline_seconds=0.0, tell=said.append)

    assert len(said) == 1


def test_another_process_under_its_id_is_not_waited_for(
    creator: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    note = tmp_path / "creator.json"
    note_creator(note, creator.pid)
    known = json.loads(note.read_text())

    note.write_text(json.dumps({**known, "born": known["born"] - 60}))

    assert living_creator(note) is None
    end(creator)


def test_without_a_note_nobody_is_waited_for(tmp_path: Path) -> None:
    wait_for_creator(tmp_path / "creator.json", deadline_seconds=0.0, tell=pytest.fail)
