"""Which objects keep a namespace when an environment goes: those that somebody put there."""

from __future__ import annotations

from typing import Any

import pytest

from bookpayctl.targets.kube.down import is_nobodys
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL


def thing(kind: str, name: str, **meta: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, **meta}}


@pytest.mark.parametrize(
    "found",
    [
        thing("ServiceAccount", "default"),
        thing("ConfigMap", "kube-root-ca.crt"),
        # istiod writes both into every namespace, whether or not anything there is in its mesh.
        thing("ConfigMap", "istio-ca-root-cert"),
        thing("ConfigMap", "istio-ca-crl"),
        thing("Secret", "bookstore-platform-app", ownerReferences=[{"kind": "Cluster"}]),
        thing("ConfigMap", "bookpay-config", labels={ENVIRONMENT_LABEL: "shop"}),
    ],
    ids=lambda found: str(found["metadata"]["name"]),
)
def test_what_a_platform_or_an_owner_keeps_there_holds_nothing_up(found: dict[str, Any]) -> None:
    assert is_nobodys(found)


@pytest.mark.parametrize(
    "found",
    [thing("ConfigMap", "notes"), thing("Secret", "istio-ca-crl"), thing("ConfigMap", "istio")],
    ids=lambda found: f"{found['kind']} {found['metadata']['name']}",
)
def test_what_somebody_put_there_keeps_the_namespace(found: dict[str, Any]) -> None:
    assert not is_nobodys(found)
