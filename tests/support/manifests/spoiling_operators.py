"""Manifests gone wrong in what operators are told; see `spoiling`."""

from __future__ import annotations

from typing import Final

from tests.support.manifests import gateway, operators
from tests.support.manifests.spoiling import Rule, Spoil, put

_PARAMETERS: Final = "spec|postgresql|parameters"
_ANNOTATIONS: Final = "spec|template|metadata|annotations"

_ADDRESSES: Final = "stripe-source-addresses"
_RULE: Final = "spec|rules|0"
_NO_HEADER: Final = {"key": "request.headers[stripe-signature]", "notValues": ["*"]}

BAD_FOR_OPERATORS: Final[list[tuple[Rule, str, Spoil, str]]] = [
    (
        operators.sessions,
        "prod",
        put("Cluster", "bookstore-platform", f"{_PARAMETERS}|max_connections", None),
        "PostgreSQL takes 100",
    ),
    (
        operators.scaling_down,
        "prod",
        put("ScaledObject", "payments-worker", "spec|cooldownPeriod", 120),
        "nothing above zero",
    ),
    (
        operators.scaling_down,
        "operators",
        put("ScaledObject", "payments-worker", "spec|advanced", None),
        "before a lease has ended",
    ),
    (
        operators.in_the_mesh,
        "prod",
        put(
            "Cluster",
            "bookstore-platform",
            "spec|inheritedMetadata|labels|sidecar.istio.io/inject",
            None,
        ),
        "speaks first",
    ),
    (
        operators.in_the_mesh,
        "prod",
        put(
            "Job", "bookpay-migrate", "spec|template|metadata|labels|sidecar.istio.io/inject", None
        ),
        "bookpay-migrate serves no HTTP",
    ),
    (
        operators.in_the_mesh,
        "prod",
        put("Deployment", "payments-worker", f"{_ANNOTATIONS}|prometheus.io/port", "8080"),
        "does not find its metrics",
    ),
    (
        operators.in_the_mesh,
        "prod",
        put("PodMonitor", "bookpay", "spec|podMetricsEndpoints", [{"port": "http"}]),
        "which sidecars refuse",
    ),
    (
        gateway.refused_at_the_gateway,
        "operators",
        # In one rule they are ANDed: who has either passes.
        put("AuthorizationPolicy", _ADDRESSES, f"{_RULE}|when", [_NO_HEADER], gateway.GATEWAYS),
        "let in",
    ),
    (
        gateway.refused_at_the_gateway,
        "prod",
        put(
            "AuthorizationPolicy",
            _ADDRESSES,
            f"{_RULE}|to|0|operation|hosts",
            ["*"],
            gateway.GATEWAYS,
        ),
        "host='shop.example', address='203.0.113.9', signed=False) is refused",
    ),
    (
        gateway.plain_text,
        "prod",
        put("PeerAuthentication", "default", "spec|mtls", {"mode": "PERMISSIVE"}),
        "plain text is let in",
    ),
    (
        operators.stripes_secrets,
        "operators",
        put("ExternalSecret", "stripe-api-key", "spec|target|deletionPolicy", "Delete"),
        "would vanish",
    ),
    (
        operators.stripes_secrets,
        "operators",
        put("ExternalSecret", "stripe-api-key", "spec|refreshInterval", "1h"),
        "every 1h",
    ),
    (
        operators.stripes_secrets,
        "operators",
        put(
            "Deployment",
            "payments-gateway",
            "spec|template|spec|containers|0|volumeMounts|3|subPath",
            "api-key",
        ),
        "a secret that is rolled",
    ),
]
