"""Every component of manifests/components is tried in a cluster, or it is said why it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.components import BY_OVERLAYS, BY_TESTS, NOT_HERE
from tests.support.lab import ROOT

COMPONENTS = sorted(path.name for path in (ROOT / "manifests" / "components").iterdir())


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_is_tried_or_the_reason_is_given(component: str) -> None:
    if component in NOT_HERE:
        pytest.skip(f"{component} is not tried: {NOT_HERE[component]}")

    if component in BY_TESTS:
        assert Path(ROOT / BY_TESTS[component]).is_file()
    else:
        overlay = ROOT / "manifests" / "overlays" / BY_OVERLAYS[component] / "kustomization.yaml"
        # Which tests/cluster brings up as it is.
        assert f"components/{component}" in overlay.read_text() + base()


def base() -> str:
    return (ROOT / "manifests" / "base" / "kustomization.yaml").read_text()
