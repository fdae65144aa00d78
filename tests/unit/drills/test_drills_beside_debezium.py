"""Where Debezium publishes, a drill that needs a publisher of ours is refused, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.drill.run import run_drill
from bookpayctl.drill.scenario import DrillRequest
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE, Entry
from bookpayctl.session import RefusedError
from bookpayctl.targets.environment import DEBEZIUM, Environment
from bookpayctl.targets.platforms import LOCAL
from runtime.domain.names import Service
from tests.support.environments import environment_away

HERE = [entry for entry in CATALOGUE if LOCAL in load_drill(entry).platforms]

WHOLE = {
    *("publisher-crash", "one-way-partition", "clogged-links", "storm"),
    *("kafka-records-deleted", "kafka-topic-recreated"),
}
SOME = {
    "outage": {Service.PUBLISHER.value},
    "postgres-sessions-terminated": {"publisher-leader"},
}


def captured(root: Path) -> Environment:
    return replace(environment_away(root), settings={"publisher": DEBEZIUM})


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.slug)
def test_what_strikes_a_publisher_is_refused_by_its_point(entry: Entry, tmp_path: Path) -> None:
    drill = load_drill(entry)
    refused = set(drill.points) if entry.slug in WHOLE else SOME.get(entry.slug, set())

    environment = captured(tmp_path)

    assert {p for p in drill.points if drill.why_not_on(environment, p)} == refused
    assert not any(drill.why_not_on(environment_away(tmp_path), p) for p in drill.points)


def test_a_refused_drill_begins_nothing_and_says_who_publishes(tmp_path: Path) -> None:
    drill = load_drill(next(entry for entry in CATALOGUE if entry.slug == "publisher-crash"))
    request = DrillRequest(captured(tmp_path), point="marked")

    with pytest.raises(RefusedError, match="Debezium publishes in its place"):
        run_drill(drill, request, lambda _: None)

    assert list(tmp_path.iterdir()) == []
