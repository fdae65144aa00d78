"""A cell that freezes believes only in a process that nobody was answered by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from bookpayctl.clients.http import HttpAnswer
from bookpayctl.faults.failpoint import Hit
from bookpayctl.targets.target import Target
from tests.crash_matrix.frozen import FROZEN_SECONDS, watch_frozen


class Answering:
    """A target whose process gives these answers in turn, the last of them for ever."""

    def __init__(self, *answers: bool) -> None:
        self.answers: Sequence[bool] = answers
        self.asked = 0

    def ask(self, process: str, path: str) -> HttpAnswer:
        del process, path
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return HttpAnswer(200 if answer else None)


def watched(*answers: bool, seconds_ago: float) -> list[str]:
    hit = Hit(
        "payments-worker-0", 1, None, None, datetime.now(UTC) - timedelta(seconds=seconds_ago)
    )
    return watch_frozen(cast(Target, Answering(*answers)), hit, mute_seconds_max=0.0)


def test_who_is_mute_until_its_time_is_over_and_answers_then_was_frozen() -> None:
    assert watched(False, False, True, seconds_ago=FROZEN_SECONDS) == []


def test_who_answers_was_not_frozen() -> None:
    assert "nothing was tested" in watched(True, seconds_ago=0)[0]


def test_who_answers_before_its_time_is_over_woke_too_early() -> None:
    assert "woke before" in watched(False, True, seconds_ago=0)[0]
