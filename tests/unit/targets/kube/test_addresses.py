"""The addresses that the tool knows are those of the manifests."""

from __future__ import annotations

from bookpayctl.targets.kube.addresses import ENDPOINT_URL, TWIN_CONTROL_PORT
from bookpayctl.targets.kube.manifests import folder


def test_the_twin_is_told_the_endpoint_that_the_audit_looks_for() -> None:
    twin = (folder() / "components" / "twin" / "stripe-twin.yaml").read_text()

    assert f"- --endpoint={ENDPOINT_URL}\n" in twin
    assert f"- --control-port={TWIN_CONTROL_PORT}\n" in twin
