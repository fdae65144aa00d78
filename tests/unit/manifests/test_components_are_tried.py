"""No component is forgotten: each has its place in the table of what is tried in a cluster."""

from __future__ import annotations

from tests.support.components import BY_OVERLAYS, BY_TESTS, NOT_HERE
from tests.support.manifests.rendering import MANIFESTS, ROOT


def test_every_component_is_tried_or_has_its_reason_and_no_two_of_it() -> None:
    named = [*BY_TESTS, *BY_OVERLAYS, *NOT_HERE]

    there = {path.name for path in (MANIFESTS / "components").iterdir()}

    assert sorted(named) == sorted(there)


def test_the_tests_that_are_named_are_there() -> None:
    assert [path for path in BY_TESTS.values() if not (ROOT / path).is_file()] == []
