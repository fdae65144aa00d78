"""Who may talk to whom by the NetworkPolicies of an overlay, pod by pod and port by port.

What an operator makes (instances of CloudNativePG, brokers of Strimzi) and who comes from outside
stand beside the pods of our workloads, with the labels that they are known to carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.manifests.references import ports_of, selects
from tests.support.manifests.rendering import (
    KAFKA,
    PAYMENTS,
    Rendered,
    full_name,
    labels_of,
)

Json = Any  # a document as YAML gives it

Arrow = tuple[str, str, int]
"""From whom, to whom, at which port."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One kind of pod.

    Attributes:
        ports: what it opens, by name.
    """

    name: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)


# A pod that nobody thought of, among ours: only what denies everybody concerns it.
NEWCOMER: Final = Pod("newcomer", PAYMENTS, {"app": "newcomer"}, {"http": 8080})

# The platform's, as they are labelled by the projects.
_OUTSIDE: Final = (
    Pod("stranger", "default", {"app": "stranger"}),
    Pod("dns", "kube-system", {"k8s-app": "kube-dns"}, {"dns": 53}),
    Pod("prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}),
    Pod(
        *("otel-collector", "observability"),
        {"app.kubernetes.io/name": "opentelemetry-collector"},
        {"otlp-http": 4318},
    ),
    Pod("ingress", "istio-ingress", {"istio": "ingress"}, {"https": 443}),
    Pod("istiod", "istio-system", {"app": "istiod"}, {"xds": 15012}),
    Pod("cnpg-operator", "cnpg-system", {"app.kubernetes.io/name": "cloudnative-pg"}),
    Pod("mail-relay", "mail", {"app": "relay"}, {"smtp": 25}),
)


def pods_of(rendered: Rendered) -> list[Pod]:
    """Every pod that the policies are asked about."""
    found = [
        Pod(name, namespace, labels_of(workload), ports_of(workload))
        for workload in rendered.workloads
        for namespace, name in [full_name(workload)]
    ]
    for cluster in rendered.of_kind("Cluster"):
        own = cluster["spec"]["inheritedMetadata"]["labels"]
        labels = {"cnpg.io/cluster": cluster["metadata"]["name"], **own}
        found.append(Pod("cnpg", PAYMENTS, labels, {"postgresql": 5432, "status": 8000}))
    for kafka in rendered.of_kind("Kafka"):
        own = kafka["spec"]["kafka"]["template"]["pod"]["metadata"]["labels"]
        labels = {"strimzi.io/cluster": kafka["metadata"]["name"], "strimzi.io/kind": "Kafka"}
        ports = {entry["name"]: entry["port"] for entry in kafka["spec"]["kafka"]["listeners"]}
        found.append(Pod("strimzi", KAFKA, {**labels, **own}, ports))
    for connect in rendered.of_kind("KafkaConnect"):
        labels = {"strimzi.io/cluster": connect["metadata"]["name"]}
        found.append(Pod("connect", KAFKA, {**labels, "strimzi.io/kind": "KafkaConnect"}))
    return [*found, NEWCOMER, *_OUTSIDE]


def arrows(rendered: Rendered) -> set[Arrow]:
    """Every connection that the policies let through, except between outsiders."""
    policies = rendered.of_kind("NetworkPolicy")
    ours = {PAYMENTS, KAFKA}
    pods = pods_of(rendered)
    return {
        (source.name, target.name, port)
        for source in pods
        for target in pods
        for port in target.ports.values()
        if source != target and {source.namespace, target.namespace} & ours
        if _allows(policies, "Egress", source, target, port)
        and _allows(policies, "Ingress", target, source, port)
    }


def _allows(policies: list[Json], direction: str, at: Pod, other: Pod, port: int) -> bool:
    """Whether the policies that select `at` let it talk with `other`; without any, they do."""
    selecting = [
        policy
        for policy in policies
        if full_name(policy)[0] == at.namespace
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], at.labels)
    ]
    # The port is the one that is connected to, whoever it is that is asked.
    opened = at if direction == "Ingress" else other
    return not selecting or any(
        _rule_allows(rule, direction, policy, opened, other, port)
        for policy in selecting
        for rule in policy["spec"].get(direction.lower(), ())
    )


def _rule_allows(
    rule: Json, direction: str, policy: Json, opened: Pod, other: Pod, port: int
) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    ports = rule.get("ports")
    meant = {opened.ports.get(entry["port"], entry["port"]) for entry in ports or ()}
    return (ports is None or port in meant) and (
        peers is None or any(_is_meant(peer, full_name(policy)[0], other) for peer in peers)
    )


def _is_meant(peer: Json, namespace: str, other: Pod) -> bool:
    if "ipBlock" in peer:
        # Ours are the internet, never a pod.
        return False
    if "namespaceSelector" in peer:
        labels = {"kubernetes.io/metadata.name": other.namespace}
        if not selects(peer["namespaceSelector"], labels):
            return False
    elif other.namespace != namespace:
        return False
    return selects(peer.get("podSelector"), other.labels)


def implied(rendered: Rendered) -> Iterator[Arrow]:
    """What the settings of an overlay imply: without these, something could not do its work."""
    shared = rendered.named("ConfigMap", "bookpay-config")["data"]
    database = "cnpg" if rendered.of_kind("Cluster") else "postgres"
    broker = "strimzi" if rendered.of_kind("Kafka") else "kafka"
    kafka_port = int(shared["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")[2])
    for workload in rendered.workloads:
        name = full_name(workload)[1]
        spec = workload["spec"]["template"]["spec"]
        mounted = {volume["name"] for volume in spec.get("volumes", ())}
        if full_name(workload)[0] == PAYMENTS and name != "stripe-mock":
            yield name, "dns", 53
        if "database" in mounted and name != database:
            yield name, database, 5432
        if name in _READ_KAFKA or _argument(spec, "--bootstrap-servers"):
            yield name, broker, kafka_port
        if "tokens" in mounted and name in _ASK_THE_GATEWAY:
            yield name, "payments-gateway", 8080
        for entry in spec["containers"][0].get("env", ()):
            if entry["name"] == "STRIPE_API_BASE" and "stripe-twin" in entry["value"]:
                yield name, "stripe-twin", 8080
        if "OTEL_EXPORTER_OTLP_ENDPOINT" in shared and "envFrom" in spec["containers"][0]:
            yield name, "otel-collector", 4318
        if _argument(spec, "--endpoint"):
            yield name, "payments-webhook-receiver", 8080
    yield NEWCOMER.name, "dns", 53
    relay = "mail-relay" if rendered.name == "prod" else "mail-sink"
    yield "notifier", relay, int(shared["SMTP_PORT"])


# The code's: who subscribes or produces, and who calls the gateway.
_READ_KAFKA: Final = {"orders-service-consumer", "outbox-publisher", "payments-worker", "notifier"}
_ASK_THE_GATEWAY: Final = {"payments-worker", "payments-reconciler"}


def _argument(spec: Json, name: str) -> bool:
    arguments = spec["containers"][0].get("args", ())
    return any(argument.startswith(f"{name}=") for argument in arguments)
