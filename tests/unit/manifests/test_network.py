"""The network lets through the arrows of the stack, and no other; seen without a cluster."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.manifests import network
from tests.support.manifests.rendering import OVERLAYS, PAYMENTS, Rendered, full_name, render

_MONITORED: Final = {
    ("prometheus", name, port)
    for name, port in (
        ("orders-service", 8080),
        ("payments-gateway", 8080),
        ("payments-webhook-receiver", 8080),
        ("orders-service-consumer", 9090),
        ("outbox-publisher", 9090),
        ("payments-worker", 9090),
        ("payments-reconciler", 9090),
        ("notifier", 9090),
    )
}
_CNPG: Final = {("cnpg-operator", "cnpg", 5432), ("cnpg-operator", "cnpg", 8000)}
_INGRESS: Final = {("ingress", "payments-webhook-receiver", 8080)}
_MESHED: Final = {
    (name, "istiod", 15012)
    for name in (
        "bookpay-migrate",
        "orders-service",
        "orders-service-consumer",
        "outbox-publisher",
        "payments-worker",
        "payments-gateway",
        "payments-webhook-receiver",
        "payments-reconciler",
        "notifier",
    )
}

# What the settings do not imply, by overlay: who comes from outside.
BESIDES: Final[dict[str, set[network.Arrow]]] = {
    "standalone": set(),
    "cnpg": _CNPG,
    "kind": _CNPG,
    "operators": _CNPG | _INGRESS | _MONITORED,
    "cdc": _CNPG | _INGRESS | _MONITORED | {("connect", "cnpg", 5432)},
    "prod": _CNPG | _INGRESS | _MONITORED | _MESHED,
}

# Pods of operators talk to the API server, and so to whom they like.
_UNBOUND: Final = {"cnpg", "strimzi", "connect"}
_OUTSIDERS: Final = {"dns", "ingress", "istiod", "mail-relay", "otel-collector"}


def arrows_of(rendered: Rendered) -> set[network.Arrow]:
    return {
        (source, target, port)
        for source, target, port in network.arrows(rendered)
        if not (source in _UNBOUND and target in _OUTSIDERS)
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_lets_through_what_the_settings_imply_and_nothing_else(overlay: str) -> None:
    rendered = render(overlay)

    allowed = arrows_of(rendered)

    assert allowed == set(network.implied(rendered)) | BESIDES[overlay]


@pytest.mark.parametrize(
    ("policy", "direction"),
    [("default-deny", "more"), ("postgres", "less"), ("dns", "less"), ("stripe-twin", "less")],
)
def test_a_policy_that_is_missing_is_seen(policy: str, direction: str) -> None:
    good = render("standalone")
    without = Rendered(
        good.name,
        tuple(
            document
            for document in good.objects
            if (document["kind"], *full_name(document)) != ("NetworkPolicy", PAYMENTS, policy)
        ),
    )

    before, after = arrows_of(good), arrows_of(without)

    assert before < after if direction == "more" else after < before
