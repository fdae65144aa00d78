"""A secret that is read for each use: the newest good one counts, and a bad one is said once."""

from __future__ import annotations

import logging

import pytest

from runtime.adapters.rotated import Rotated
from runtime.config import ConfigError
from runtime.telemetry import Outage


class Reading:
    """What a file holds now, which may be nothing that can be used."""

    def __init__(self, *held: str | ConfigError) -> None:
        self.held = list(held)

    def __call__(self) -> str:
        now = self.held.pop(0)
        if isinstance(now, ConfigError):
            raise now
        return now


def rotated(*held: str | ConfigError) -> Rotated[str]:
    outage = Outage(logging.getLogger("runtime.rotation"), "the new key (the last good one stays)")
    return Rotated(Reading(*held), "first", outage)


def test_each_use_has_the_newest_value() -> None:
    key = rotated("first", "second", "second")

    assert [key.current() for _ in range(3)] == ["first", "second", "second"]


def test_a_value_that_cannot_be_used_leaves_the_last_good_one() -> None:
    key = rotated("second", ConfigError("empty"), ConfigError("empty"), "third")

    assert [key.current() for _ in range(4)] == ["second", "second", "second", "third"]


def test_before_any_good_look_the_value_of_the_start_holds() -> None:
    assert rotated(ConfigError("gone")).current() == "first"


def test_a_rotation_that_went_wrong_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    key = rotated(*[ConfigError("empty")] * 20, "second")

    with caplog.at_level(logging.INFO, "runtime.rotation"):
        for _ in range(21):
            key.current()

    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"]
    assert "last good one stays" in caplog.records[0].message
