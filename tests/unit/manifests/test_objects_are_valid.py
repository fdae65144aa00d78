"""Every object of every overlay is one that the API server takes, and what is wrong is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.support.manifests.rendering import KAFKA, OVERLAYS, PAYMENTS, full_name, render
from tests.support.manifests.schemas import custom_resources, problems, rules_seen

Json = Any  # a document as YAML gives it

# Kinds of ours that live in no namespace.
_CLUSTER_WIDE: Final = {"Namespace"}

# CEL rules that the vendored schemas apply to what an overlay sets; none would mean that the walk
# to them is broken.
_RULES_LEAST: Final = {
    "standalone": 0,
    "cnpg": 2,
    "kind": 4,
    "operators": 19,
    "prod": 48,
    "cdc": 30,
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str) -> None:
    objects = render(overlay).objects

    found = {
        (document["kind"], *full_name(document)): why
        for document in objects
        if (why := problems(document))
    }

    assert found == {}
    assert sum(len(rules_seen(document)) for document in objects) >= _RULES_LEAST[overlay]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_says_its_namespace_and_stands_once(overlay: str) -> None:
    objects = render(overlay).objects

    names = [(document["kind"], *full_name(document)) for document in objects]
    namespaces = {
        full_name(document)[0] for document in objects if document["kind"] not in _CLUSTER_WIDE
    }

    assert len(set(names)) == len(names)
    # A gateway's objects lie with the gateway, which is not ours.
    assert namespaces <= {PAYMENTS, KAFKA, "istio-ingress"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_object_holds_a_secret(overlay: str) -> None:
    assert render(overlay).of_kind("Secret") == []


def _set(place: str, value: Json) -> Callable[[Json], object]:
    def change(document: Json) -> None:
        *way, last = place.split(".")
        for part in way:
            document = document[int(part)] if part.isdigit() else document[part]
        document[int(last) if last.isdigit() else last] = value

    return change


# What an engineer might write, object by object: most of it is what older versions took.
BAD: Final[list[tuple[str, str, str, str, Callable[[Json], object]]]] = [
    ("prod", "Deployment", PAYMENTS, "notifier", _set("spec.replica", 2)),
    ("prod", "Deployment", PAYMENTS, "notifier", _set("spec.replicas", "two")),
    ("prod", "NetworkPolicy", PAYMENTS, "dns", _set("spec.policyType", ["Egress"])),
    ("prod", "PodDisruptionBudget", PAYMENTS, "notifier", _set("apiVersion", "policy/v1beta1")),
    ("prod", "Kafka", KAFKA, "bookstore-platform", _set("apiVersion", "kafka.strimzi.io/v1beta2")),
    ("prod", "Kafka", KAFKA, "bookstore-platform", _set("spec.zookeeper", {"replicas": 3})),
    ("prod", "Kafka", KAFKA, "bookstore-platform", _set("spec.kafka.replicas", 3)),
    ("prod", "Kafka", KAFKA, "bookstore-platform", _set("spec.kafka.listeners.0.type", "open")),
    ("prod", "KafkaNodePool", KAFKA, "broker", _set("spec.storage.type", "disk")),
    ("prod", "KafkaTopic", KAFKA, "orders.placed", _set("spec.partitions", "three")),
    ("prod", "KafkaUser", KAFKA, "notifier", _set("spec.authorization.type", "opa")),
    (
        "cdc",
        "KafkaConnect",
        KAFKA,
        "bookstore-platform-connect",
        lambda o: o["spec"].pop("groupId"),
    ),
    ("cdc", "KafkaConnector", KAFKA, "outbox-cdc", _set("spec.pause", True)),
    ("prod", "Cluster", PAYMENTS, "bookstore-platform", _set("spec.instance", 3)),
    (
        "prod",
        "Cluster",
        PAYMENTS,
        "bookstore-platform",
        _set("spec.postgresql.synchronous.method", "all"),
    ),
    ("cdc", "DatabaseRole", PAYMENTS, "bookpay-cdc", lambda o: o["spec"].pop("name")),
    ("cdc", "Publication", PAYMENTS, "outbox-cdc", _set("spec.target", {})),
    (
        "prod",
        "AuthorizationPolicy",
        "istio-ingress",
        "stripe-signature-required",
        _set("spec.targetRefs", [{"kind": "Gateway", "group": "x", "name": "y"}]),
    ),
    (
        "prod",
        "AuthorizationPolicy",
        "istio-ingress",
        "stripe-signature-required",
        _set("spec.action", "REFUSE"),
    ),
    ("prod", "PeerAuthentication", PAYMENTS, "default", _set("spec.mtls.mode", "strict")),
    ("prod", "VirtualService", PAYMENTS, "stripe-webhook", _set("spec.http.0.retry", {})),
    ("prod", "Gateway", "istio-ingress", "hooks", _set("spec.servers.0.tls.mode", "TLS")),
    (
        "prod",
        "ExternalSecret",
        PAYMENTS,
        "stripe-api-key",
        _set("apiVersion", "external-secrets.io/v1beta1"),
    ),
    (
        "prod",
        "ExternalSecret",
        PAYMENTS,
        "stripe-api-key",
        _set("spec.target.deletionPolicy", "Keep"),
    ),
    ("prod", "SecretStore", PAYMENTS, "vault", _set("spec.provider.vault.version", "v3")),
    (
        "prod",
        "ScaledObject",
        PAYMENTS,
        "payments-worker",
        _set("spec.triggers.0.metadata.threshold", 200),
    ),
    ("prod", "PodMonitor", PAYMENTS, "bookpay", _set("spec.podMetricsEndpoints.0.ports", "http")),
    ("prod", "PrometheusRule", PAYMENTS, "bookpay", _set("spec.groups.0.rules.0.for", "a minute")),
]


@pytest.mark.parametrize(
    ("overlay", "kind", "namespace", "name", "spoil"),
    BAD,
    ids=[f"{kind}-{number}" for number, (_, kind, _, _, _) in enumerate(BAD)],
)
def test_an_object_that_is_wrong_is_refused(
    overlay: str, kind: str, namespace: str, name: str, spoil: Callable[[Json], object]
) -> None:
    document = copy.deepcopy(render(overlay).named(kind, name, namespace))
    good = problems(document)

    spoil(document)

    assert good == []
    assert problems(document) != []


def test_every_custom_kind_has_an_object_that_was_seen_to_be_refused() -> None:
    assert {kind for _, kind in custom_resources()} <= {kind for _, kind, _, _, _ in BAD}
