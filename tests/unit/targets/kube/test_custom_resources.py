"""When an operator's resource is ready, and what lacks by its own words."""

from __future__ import annotations

from typing import Any

import pytest

from bookpayctl.targets.kube.custom_resources import (
    NOBODY_LOOKED,
    awaited,
    is_resource_ready,
    what_lacks,
)
from bookpayctl.targets.kube.rollout import part_of
from tests.support.manifests.rendering import render

READY = {"type": "Ready", "status": "True"}


def resource(status: dict[str, Any] | None, generation: int = 2) -> dict[str, Any]:
    return {"metadata": {"name": "it", "generation": generation}, "status": status}


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"conditions": [READY]}, True),
        ({"conditions": [READY], "observedGeneration": 2}, True),
        # What `kubectl wait` passes on: the operator has not looked at the change yet.
        ({"conditions": [READY], "observedGeneration": 1}, False),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False),
        ({"conditions": [{"type": "NotReady", "status": "True"}]}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_resource_is_ready_when_its_operator_says_so_of_the_newest(
    status: dict[str, Any] | None, ready: bool
) -> None:
    assert is_resource_ready(resource(status)) is ready


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, NOBODY_LOOKED),
        ({"observedGeneration": 1}, "it is not ready yet"),
        (
            {
                "phase": "Setting up primary",
                "phaseReason": "Creating primary instance it-1",
                "conditions": [
                    {"type": "Ready", "status": "False", "message": "Cluster Is Not Ready"}
                ],
            },
            "Setting up primary: Creating primary instance it-1: Cluster Is Not Ready",
        ),
        (
            {"conditions": [{"type": "NotReady", "status": "True", "reason": "Creating"}]},
            "Creating",
        ),
    ],
)
def test_what_lacks_is_told_in_the_operators_words(
    status: dict[str, Any] | None, said: str
) -> None:
    assert what_lacks(resource(status)) == said


def test_what_operators_make_for_a_stack_is_waited_for_under_a_name_of_its_own() -> None:
    parts = {part_of(document) for document in render("kind").objects if awaited(document)}

    assert {"cluster/bookstore-platform", "kafka/bookstore-platform"} <= parts
    assert all("/" in part for part in parts)
