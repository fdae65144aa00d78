"""Every drill that runs on this machine, at every point: each lands, is proven, and is survived.

A whole stack and half a minute or more for each, so they are asked for: `nox -s drills`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.targets.platforms import LOCAL
from tests.support.command_line import CommandLine, environment_that_is_up

OPTED_IN = bool(os.environ.get("BOOKPAY_DRILLS"))
CASES = [
    pytest.param(entry.slug, point, entry.duration, id=f"{entry.slug} at {point}")
    for entry in CATALOGUE
    if LOCAL in load_drill(entry).platforms
    for point in load_drill(entry).points
]

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_DRILLS=1: half a minute or more each"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("drills")) as found:
        yield found


@pytest.mark.parametrize(("slug", "point", "duration"), CASES)
def test_a_drill_holds(slug: str, point: str, duration: str, shop: CommandLine) -> None:
    document = shop.ask("drill", slug, "--at", point, "--duration", duration)

    assert document["exit"]["code"] == 0, document["items"]
