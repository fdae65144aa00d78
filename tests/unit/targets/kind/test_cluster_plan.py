"""What is done about the cluster and the image, given what is there and what was written down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.targets.kind.plan import (
    ClusterStep,
    ImageStep,
    KindRecord,
    StandingCluster,
    cluster_step,
    image_step,
    is_made_for_us,
    record_of,
)
from tests.support.environments import environment_away

OURS = KindRecord("bookpay", created=True, api_port=30_001)
TAKEN = KindRecord("bookpay", created=False)
OF_OURS = StandingCluster(frozenset({30_001}))
OF_ANOTHER = StandingCluster(frozenset({41_234}))


@pytest.mark.parametrize(
    ("standing", "record", "finished", "step"),
    [
        (None, None, False, ClusterStep.CREATE),
        # Somebody deleted it meanwhile.
        (None, OURS, True, ClusterStep.CREATE),
        (None, TAKEN, True, ClusterStep.CREATE),
        (OF_OURS, OURS, True, ClusterStep.TAKE_OURS),
        # A killed `up`: half of a cluster is of no use to anybody.
        (OF_OURS, OURS, False, ClusterStep.CREATE_ANEW),
        (OF_ANOTHER, None, False, ClusterStep.TAKE_ANOTHERS),
        (OF_ANOTHER, TAKEN, True, ClusterStep.TAKE_ANOTHERS),
        # Ours was deleted, or never begun, and somebody made one under its name.
        (OF_ANOTHER, OURS, True, ClusterStep.TAKE_ANOTHERS),
        (OF_ANOTHER, OURS, False, ClusterStep.TAKE_ANOTHERS),
        (StandingCluster(frozenset()), OURS, False, ClusterStep.TAKE_ANOTHERS),
    ],
)
def test_a_cluster_is_made_or_taken_by_what_is_there(
    standing: StandingCluster | None, record: KindRecord | None, finished: bool, step: ClusterStep
) -> None:
    assert cluster_step(standing, record, finished=finished) is step


@pytest.mark.parametrize(
    ("standing", "record", "ours"),
    [
        (OF_OURS, OURS, True),
        (StandingCluster(frozenset({30_001, 41_234})), OURS, True),
        (OF_ANOTHER, OURS, False),
        (OF_OURS, TAKEN, False),
        (OF_OURS, KindRecord("bookpay", created=False, api_port=30_001), False),
        (OF_OURS, KindRecord("bookpay", created=True), False),
        (OF_OURS, None, False),
        (None, OURS, False),
    ],
)
def test_only_the_cluster_that_was_made_for_the_environment_may_be_deleted(
    standing: StandingCluster | None, record: KindRecord | None, ours: bool
) -> None:
    assert is_made_for_us(standing, record) is ours


@pytest.mark.parametrize("record", [OURS, TAKEN, KindRecord("other", created=True)])
def test_what_is_written_down_is_what_is_read(record: KindRecord) -> None:
    environment = replace(
        environment_away(Path("/nowhere"), target="kind"), settings=record.as_settings()
    )

    assert record_of(environment) == record


@pytest.mark.parametrize(
    ("held", "archived", "in_registry", "step"),
    [
        ({"a": None}, "sha256:1", False, ImageStep.LOAD),
        ({"a": "sha256:1"}, "sha256:1", False, ImageStep.KEEP),
        # Another image under the name: what would run is not what was built.
        ({"a": "sha256:0"}, "sha256:1", False, ImageStep.LOAD),
        ({"a": "sha256:1", "b": None}, "sha256:1", False, ImageStep.LOAD),
        ({"a": "sha256:0"}, None, False, ImageStep.KEEP),
        ({"a": None}, None, True, ImageStep.LEAVE_TO_NODES),
        ({"a": None}, None, False, ImageStep.REFUSE),
        ({"a": "sha256:1", "b": None}, None, False, ImageStep.REFUSE),
    ],
)
def test_an_image_is_loaded_by_its_id_and_not_by_its_name(
    held: dict[str, str | None], archived: str | None, in_registry: bool, step: ImageStep
) -> None:
    assert image_step(held, archived, in_registry=in_registry) is step
