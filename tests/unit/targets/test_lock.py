"""One `up` or `down` at a time; the second waits and knows for whom."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bookpayctl.targets.lock import LockTimeoutError, environment_lock


def test_the_second_waits_for_the_first_and_is_told_its_purpose(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "locks" / "default.lock"

    with (
        environment_lock(path, "up", timeout_seconds=1, waiting=told.append),
        pytest.raises(LockTimeoutError, match=r"up \(pid \d+\) has held"),
        environment_lock(path, "down", timeout_seconds=0.2, waiting=told.append),
    ):
        pytest.fail("two held the lock at once")

    assert told == [f"up (pid {os.getpid()})"]


def test_a_lock_that_was_given_back_is_free(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "default.lock"
    with environment_lock(path, "up", timeout_seconds=1, waiting=told.append):
        assert path.read_text().startswith("up ")

    with environment_lock(path, "down", timeout_seconds=0, waiting=told.append):
        assert path.read_text().startswith("down ")

    assert told == []
