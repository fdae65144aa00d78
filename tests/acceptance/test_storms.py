"""Storms of seeds that have shown something, each proven and survived, and one that must be red.

A whole stack and two minutes or more for each, so they are asked for: `nox -s storm`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bookpayctl.storm.kinds import StormProfile
from tests.support.command_line import CommandLine, environment_that_is_up

OPTED_IN = bool(os.environ.get("BOOKPAY_STORM"))

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_STORM=1: two minutes or more each"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("storms")) as found:
        yield found


@pytest.mark.parametrize("seed", [4, 8, 10, 12])
def test_a_storm_is_survived(seed: int, shop: CommandLine) -> None:
    document = shop.ask("drill", "storm", "--seed", str(seed))

    assert document["exit"]["code"] == 0, document["items"]


@pytest.mark.parametrize(
    "profile", [one for one in StormProfile if one is not StormProfile.EVERYTHING]
)
def test_a_storm_of_one_profile_is_survived(profile: StormProfile, shop: CommandLine) -> None:
    document = shop.ask("drill", "storm", "--profile", profile.value, "--seed", "3")

    assert document["exit"]["code"] == 0, document["items"]


def test_a_storm_without_a_fault_is_vacuous(shop: CommandLine) -> None:
    document = shop.ask("drill", "storm", "--duration", "5s")

    assert document["exit"]["code"] == 5, document["items"]


def test_a_storm_finds_the_second_charge(shop: CommandLine) -> None:
    document = shop.ask("drill", "storm", "--control")

    assert document["exit"]["code"] == 0, document["items"]
