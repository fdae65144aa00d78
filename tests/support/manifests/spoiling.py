"""Manifests gone wrong, one way each: what each rule about a rendered overlay must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.support.manifests import names, pods, references
from tests.support.manifests.rendering import KAFKA, PAYMENTS, Rendered

Json = Any  # a document as YAML gives it
Rule = Callable[[Rendered], Iterable[str]]
Spoil = Callable[[Rendered], object]


def put(kind: str, name: str, place: str, value: Json, namespace: str = PAYMENTS) -> Spoil:
    """Set a part of one object, or take it out with None; `place` is a path with dots."""

    def spoil(rendered: Rendered) -> None:
        part = rendered.named(kind, name, namespace)
        *way, last = place.split("|")
        for step in way:
            part = part[int(step)] if step.isdigit() else part[step]
        key: Json = int(last) if last.isdigit() else last
        if value is None:
            del part[key]
        else:
            part[key] = value

    return spoil


def more(kind: str, name: str, place: str, entry: Json, namespace: str = PAYMENTS) -> Spoil:
    """Add an entry to a list of one object."""

    def spoil(rendered: Rendered) -> None:
        part = rendered.named(kind, name, namespace)
        for step in place.split("|"):
            part = part[int(step)] if step.isdigit() else part[step]
        part.append(entry)

    return spoil


_POD: Final = "spec|template|spec"
_CONTAINER: Final = f"{_POD}|containers|0"
_NOBODY: Final = {"secret": {"secretName": "nobodys", "items": []}, "name": "x"}

# Rule, overlay, what is done to it, and a word of the complaint.
BAD: Final[list[tuple[Rule, str, Spoil, str]]] = [
    (
        references.services,
        "standalone",
        put("Service", "payments-gateway", "spec|selector|app", "payment-gateway"),
        "0 workloads",
    ),
    (
        references.services,
        "standalone",
        put("Service", "payments-gateway", "spec|ports|0|targetPort", "https"),
        "no container opens",
    ),
    (
        references.services,
        "standalone",
        put("Service", "payments-gateway", "spec|ports|0|port", 80),
        "goes to another",
    ),
    (
        references.secrets,
        "standalone",
        more("Deployment", "notifier", f"{_POD}|volumes", _NOBODY),
        "which nobody makes",
    ),
    (
        references.secrets,
        "standalone",
        put(
            "StatefulSet",
            "postgres",
            f"{_POD}|volumes|2|secret|items|0|key",
            "passwd",
        ),
        "reads passwd",
    ),
    (
        references.secrets,
        "standalone",
        more(
            "Deployment",
            "notifier",
            f"{_CONTAINER}|env",
            {"name": "DB_DSN", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}},
        ),
        "in its environment",
    ),
    (
        references.secrets,
        "prod",
        put("ExternalSecret", "stripe-api-key", "spec|data|0|secretKey", "STRIPE_API_KEY"),
        "reads api-key",
    ),
    (
        references.files,
        "standalone",
        more(
            "Deployment",
            "notifier",
            f"{_CONTAINER}|env",
            {"name": "GATEWAY_TOKEN_FILE", "value": "/run/token"},
        ),
        "/run/token is not mounted",
    ),
    (
        references.volumes,
        "standalone",
        put("Deployment", "payments-worker", f"{_CONTAINER}|volumeMounts|2", None),
        "and not both",
    ),
    (
        references.config_maps,
        "standalone",
        put("ConfigMap", "bookpay-config", "metadata|name", "bookpay-configuration"),
        "reads the ConfigMap",
    ),
    (
        references.config_maps,
        "prod",
        put("SecretStore", "vault", "spec|provider|vault|caProvider|key", "tls.crt"),
        "trusts vault-ca",
    ),
    (
        references.accounts,
        "standalone",
        put("Deployment", "notifier", f"{_POD}|serviceAccountName", None),
        "runs as default",
    ),
    (
        references.accounts,
        "cdc",
        put("RoleBinding", "connect-reads-bookpay-cdc", "subjects|0|name", "connect"),
        "is for connect",
    ),
    (
        references.accounts,
        "prod",
        put("ServiceAccount", "bookpay-eso", "metadata|name", "eso"),
        "asks as bookpay-eso",
    ),
    (
        references.budgets,
        "standalone",
        put("PodDisruptionBudget", "notifier", "spec|selector|matchLabels", {}),
        "for 13 workloads",
    ),
    (
        references.budgets,
        "prod",
        put(
            "PodDisruptionBudget",
            "notifier",
            "spec|selector|matchLabels",
            {"strimzi.io/cluster": "bookstore-platform"},
        ),
        "has its own",
    ),
    (
        references.scalers,
        "prod",
        put("Deployment", "payments-worker", "spec|replicas", 2),
        "and so does its scaler",
    ),
    (
        references.routes,
        "prod",
        put("VirtualService", "stripe-webhook", "spec|http|0|retries|attempts", 2),
        "again",
    ),
    (
        references.routes,
        "prod",
        put(
            "VirtualService",
            "stripe-webhook",
            "spec|http|0|route|0|destination|port|number",
            80,
        ),
        "routes to",
    ),
    (
        references.routes,
        "cdc",
        put(
            "KafkaConnector",
            "outbox-cdc",
            "metadata|labels",
            {"strimzi.io/cluster": "bookstore-platform"},
            KAFKA,
        ),
        "belongs to no KafkaConnect",
    ),
    (
        pods.restricted,
        "standalone",
        put("Deployment", "notifier", f"{_POD}|securityContext|runAsNonRoot", None),
        "as root",
    ),
    (
        pods.restricted,
        "standalone",
        put("Deployment", "notifier", f"{_POD}|initContainers|0|securityContext", None),
        "await-schema may gain",
    ),
    (
        pods.restricted,
        "prod",
        put("Namespace", PAYMENTS, "metadata|labels", {}, ""),
        "enforces nothing",
    ),
    (
        pods.images,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|image", "bookpay:latest"),
        "tag of its own",
    ),
    (
        pods.images,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|imagePullPolicy", "Always"),
        "would be pulled",
    ),
    (
        pods.probes,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|livenessProbe|periodSeconds", 5),
        "before it was frozen",
    ),
    (
        pods.probes,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|livenessProbe|httpGet|path", "/readyz"),
        "does not mend",
    ),
    (
        pods.probes,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|readinessProbe|httpGet|port", "http"),
        "does not open",
    ),
    (
        pods.endings,
        "standalone",
        put("Deployment", "payments-gateway", f"{_CONTAINER}|lifecycle", None),
        "before the nodes know",
    ),
    (
        pods.endings,
        "standalone",
        put("Deployment", "payments-gateway", f"{_POD}|terminationGracePeriodSeconds", 10),
        "before it has drained",
    ),
    (
        pods.endings,
        "standalone",
        put("Deployment", "notifier", "spec|strategy", {"type": "Recreate"}),
        "before its successor",
    ),
    (
        pods.resources,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|resources|limits|cpu", "1"),
        "has limits",
    ),
    (
        pods.labels,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|name", "app"),
        "not named after it",
    ),
    (
        names.settings,
        "standalone",
        put("ConfigMap", "bookpay-config", "data|BOOKPAY_LEASE_SECS", "15"),
        "BOOKPAY_LEASE_SECS",
    ),
    (
        names.settings,
        "standalone",
        put("ConfigMap", "bookpay-config", "data|BOOKPAY_LEASE_SECONDS", "11"),
        "must be greater",
    ),
    (
        names.settings,
        "standalone",
        put("Deployment", "notifier", f"{_CONTAINER}|args", ["runtime", "notify"]),
        "does not take",
    ),
    (
        names.topics,
        "kind",
        put("KafkaTopic", "orders.paid", "spec|partitions", 6, KAFKA),
        "6 partitions",
    ),
    (
        names.topics,
        "kind",
        put("KafkaTopic", "orders.paid", "metadata|name", "orders.payed", KAFKA),
        "differ",
    ),
    (
        names.topics,
        "prod",
        put("KafkaTopic", "orders.paid", "spec|config|retention.ms", 604_800_000, KAFKA),
        "30 days",
    ),
    (
        names.principals,
        "prod",
        more(
            "KafkaUser",
            "notifier",
            "spec|authorization|acls",
            {
                "resource": {"type": "topic", "name": "", "patternType": "prefix"},
                "operations": ["Write"],
            },
            KAFKA,
        ),
        "given and not needed",
    ),
    (
        names.principals,
        "prod",
        put("Deployment", "notifier", f"{_CONTAINER}|env|0|value", "payments-worker"),
        "calls itself",
    ),
    (
        names.change_capture,
        "cdc",
        put("Deployment", "outbox-publisher", "spec|replicas", 3),
        "publish the outbox",
    ),
    (
        names.change_capture,
        "cdc",
        put(
            "KafkaConnector",
            "outbox-cdc",
            "spec|config|transforms.paid.replacement",
            "orders.placed",
            KAFKA,
        ),
        "elsewhere",
    ),
    (
        names.change_capture,
        "cdc",
        put("Publication", "outbox-cdc", "spec|parameters", {"publish": "insert,update"}),
        "UPDATE",
    ),
    (
        names.webhook_events,
        "standalone",
        more("StatefulSet", "stripe-twin", f"{_CONTAINER}|args", "--event=payout.paid"),
        "payout.paid",
    ),
    (
        names.measured,
        "prod",
        put("ScaledObject", "payments-worker", "spec|maxReplicaCount", 10),
        "beyond",
    ),
    (
        names.measured,
        "prod",
        put("PrometheusRule", "bookpay", "spec|groups|0|rules|0|expr", "bookpay_leading < 1"),
        "nobody measures",
    ),
    (
        names.places,
        "standalone",
        put("ConfigMap", "bookpay-config", "data|KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
        "looked for",
    ),
]
