"""A drill that needs a cluster is refused elsewhere, in words, before anything is begun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.drill.run import run_drill
from bookpayctl.drill.scenario import DrillRequest, plan
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE, Entry
from bookpayctl.session import RefusedError
from bookpayctl.targets import environment as environments
from bookpayctl.targets.kube.permissions import deeds_of_acts
from bookpayctl.targets.platforms import CLUSTERS, LOCAL, NAMES
from tests.support.environments import environment_away
from tests.support.many_commands import run_all

IN_CLUSTERS = [entry for entry in CATALOGUE if load_drill(entry).platforms == CLUSTERS]


WHERE: Final = ", ".join(CLUSTERS)


def test_the_drills_of_a_cluster_are_these() -> None:
    assert [entry.slug for entry in IN_CLUSTERS] == [
        "pod-delete", "pod-ghost", "postgres-failover", "rollout", "node-drain",
    ]  # fmt: skip
    assert LOCAL not in CLUSTERS


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.slug)
def test_every_drill_says_where_it_runs(entry: Entry) -> None:
    platforms = load_drill(entry).platforms

    assert platforms
    assert set(platforms) <= set(NAMES)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.slug)
def test_one_of_a_cluster_says_what_its_account_must_be_allowed(entry: Entry) -> None:
    drill = load_drill(entry)

    assert drill.acts or entry not in IN_CLUSTERS
    assert not drill.acts or set(CLUSTERS) <= set(drill.platforms)
    for act in drill.acts:
        assert deeds_of_acts([act], ["shop"]), f"nobody knows what {act} takes"


@pytest.mark.parametrize("entry", IN_CLUSTERS, ids=lambda entry: entry.slug)
def test_one_of_a_cluster_is_refused_on_this_machine_and_begins_nothing(
    entry: Entry, tmp_path: Path
) -> None:
    drill = load_drill(entry)
    request = DrillRequest(environment_away(tmp_path), point=next(iter(drill.points)))

    with pytest.raises(RefusedError, match=rf"{entry.slug} runs on {WHERE} alone, .* is on local"):
        run_drill(drill, request, lambda _: None)

    assert list(tmp_path.iterdir()) == []


def test_its_plan_says_that_it_would_be_refused(tmp_path: Path) -> None:
    here, there = load_drill(IN_CLUSTERS[0]), load_drill(CATALOGUE[0])

    refused = dict(plan(here, DrillRequest(environment_away(tmp_path), next(iter(here.points)))))
    allowed = dict(plan(there, DrillRequest(environment_away(tmp_path), next(iter(there.points)))))

    assert refused["runs on"] == WHERE
    assert f"runs on {WHERE} alone" in refused["refused here"]
    assert "refused here" not in allowed


def test_the_command_ends_with_6_and_one_document_that_says_why(tmp_path: Path) -> None:
    root = tmp_path / "default"
    environments.save(environment_away(root))

    (done,) = run_all(
        [["drill", "pod-delete", "-o", "json"]], tmp_path, {"BOOKPAY_HOME": str(tmp_path)}
    )

    document = json.loads(done.out)
    assert done.code == 6, done.err
    assert document["exit"] == {"code": 6, "reason": "refused"}
    assert f"pod-delete runs on {WHERE} alone" in document["context"]["refused"]
    assert not (root / "runs").exists()
