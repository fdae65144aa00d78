"""Where manifests and code speak of the same thing: each function gives what they disagree on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client import REGISTRY

from bookpayctl.targets.kube import kafka_user
from bookpayctl.targets.local.supervise.programs import RECEIVED_EVENTS
from runtime import config, metrics
from runtime.__main__ import AWAIT_SCHEMA, MIGRATE, parse_arguments
from runtime.config import ConfigError, Source
from runtime.domain.names import (
    PARTITIONS,
    TOPIC_OF_EVENT_TYPE,
    TOPICS_OF_GROUP,
    Service,
    Topic,
)
from runtime.meanings import MEANINGS
from tests.support.manifests.rendering import (
    KAFKA,
    PAYMENTS,
    Rendered,
    containers_of,
    full_name,
)

Json = Any  # a document as YAML gives it

_SETTINGS: Final = set(MEANINGS) | {f"{name}_FILE" for name in MEANINGS}

# What a service reads before it does anything; the names are those of its Deployments.
_READ_BY: Final = {
    Service.ORDERS: (config.orders,),
    Service.WORKER: (config.worker, config.kafka_bootstrap_servers),
    Service.PUBLISHER: (config.kafka_bootstrap_servers, config.publisher_mode),
    Service.GATEWAY: (config.gateway,),
    Service.RECEIVER: (config.webhook_secrets,),
    Service.RECONCILER: (config.reconciler,),
    Service.NOTIFIER: (config.notifier, config.kafka_bootstrap_servers),
}

_DAY_MS: Final = 86_400_000


def settings(rendered: Rendered) -> Iterator[str]:
    """Each setting is one that the runtime knows, and its value one that it takes."""
    shared = rendered.named("ConfigMap", "bookpay-config")["data"]
    for name in sorted(set(shared) - _SETTINGS):
        yield f"bookpay-config has {name}, which nobody reads"
    for workload in rendered.workloads:
        for container in containers_of(workload):
            own = {entry["name"]: entry["value"] for entry in container.get("env", ())}
            for name in sorted(set(own) - _SETTINGS):
                yield f"{container['name']} has {name}, which nobody reads"
            if container["args"][0] == "runtime":
                values = {**(shared if container.get("envFrom") else {}), **own}
                yield from _refused(container, values)


def _refused(container: Json, values: Mapping[str, str]) -> Iterator[str]:
    """What the service itself would say of its settings, its secrets being there."""
    # Not the secrets themselves, but that they are given.
    given = {name.removesuffix("_FILE"): value for name, value in values.items()}
    source = Source(given | {"DB_DSN": "postgresql://bookpay@postgres/bookpay"})
    try:
        arguments = parse_arguments(container["args"][1:], None)
    except SystemExit:
        yield f"{container['name']}: the runtime does not take {container['args'][1:]}"
        return
    try:
        if arguments.service in (MIGRATE, AWAIT_SCHEMA):
            config.dsn(source)
            return
        config.common(source, arguments.service, arguments.role)
        for read in _READ_BY[Service(arguments.service)]:
            read(source)
    except ConfigError as error:
        yield f"{container['name']}: {error}"


def topics(rendered: Rendered) -> Iterator[str]:
    """Strimzi's topics are the runtime's, alike in partitions, and kept for a week or a month."""
    if not rendered.of_kind("Kafka"):
        return
    found = {
        document["spec"].get("topicName", full_name(document)[1]): document["spec"]
        for document in rendered.of_kind("KafkaTopic")
    }
    ours = {name: spec for name, spec in found.items() if not name.startswith("__")}
    if set(ours) != set(Topic):
        yield f"topics differ from the runtime's: {sorted(set(ours) ^ set(Topic))}"
    days = 30 if rendered.name == "prod" else 7
    for name, spec in ours.items():
        if spec["partitions"] != PARTITIONS:
            yield f"{name} has {spec['partitions']} partitions, not {PARTITIONS}"
        if spec["config"]["retention.ms"] != days * _DAY_MS:
            yield f"{name} is not kept for {days} days"
    for connector in rendered.of_kind("KafkaConnector"):
        if f"__debezium-heartbeat.{connector['spec']['config']['topic.prefix']}" not in found:
            yield f"{full_name(connector)[1]} has no topic for its heartbeat"


def principals(rendered: Rendered) -> Iterator[str]:
    """Users may do what their service's code does, and no more."""
    users = {full_name(user)[1]: _rights(user) for user in rendered.of_kind("KafkaUser")}
    if not users:
        return
    wanted: dict[str, set[tuple[str, str, str]]] = {
        group.value: {
            *(("topic", topic.value, "Read") for topic in read),
            *(("topic", topic.value, "Describe") for topic in read),
            ("group", group.value, "Read"),
            ("group", group.value, "Describe"),
        }
        for group, read in TOPICS_OF_GROUP.items()
    }
    wanted[Service.WORKER.value] |= {
        ("group", "bookpay-replay-*", right) for right in ("Delete", "Describe", "Read")
    }
    wanted[Service.PUBLISHER.value] = {
        ("topic", topic.value, right)
        for topic in TOPIC_OF_EVENT_TYPE.values()
        for right in ("Describe", "Write")
    }
    wanted[kafka_user.USER] = {
        *(
            ("topic", topic.value, right)
            for topic in Topic
            for right in ("Describe", "DescribeConfigs", "Read")
        ),
        *(("group", group.value, "Describe") for group in TOPICS_OF_GROUP),
    }
    for name in sorted(wanted.keys() | users.keys()):
        for right in sorted(wanted.get(name, set()) ^ users.get(name, set())):
            yield f"{name}: {right} is given and not needed, or needed and not given"
    for workload in rendered.of_kind("Deployment"):
        for container in containers_of(workload):
            for entry in container.get("env", ()):
                if entry["name"] == "KAFKA_USERNAME" and entry["value"] != container["args"][1]:
                    yield f"{container['name']} calls itself {entry['value']} at Kafka"


def _rights(user: Json) -> set[tuple[str, str, str]]:
    found = set()
    for acl in user["spec"]["authorization"]["acls"]:
        resource = acl["resource"]
        suffix = "*" if resource["patternType"] == "prefix" else ""
        found |= {(resource["type"], resource["name"] + suffix, op) for op in acl["operations"]}
    return found


def change_capture(rendered: Rendered) -> Iterator[str]:
    """Debezium sends each event type where the publisher would, and not beside it."""
    connectors = rendered.of_kind("KafkaConnector")
    publishers = rendered.named("Deployment", Service.PUBLISHER)["spec"].get("replicas", 1)
    if bool(connectors) == bool(publishers):
        yield f"{len(connectors)} connectors and {publishers} publishers publish the outbox"
    for connector in connectors:
        settings = connector["spec"]["config"]
        aliases = settings["transforms"].split(",")
        sent = {
            settings[f"transforms.{alias}.regex"]: settings[f"transforms.{alias}.replacement"]
            for alias in aliases
            if settings[f"transforms.{alias}.type"].endswith("RegexRouter")
        }
        if sent != {str(event): str(topic) for event, topic in TOPIC_OF_EVENT_TYPE.items()}:
            yield "the connector sends event types elsewhere than the publisher"
        known = re.compile(settings["predicates.known.pattern"])
        if not all(known.fullmatch(topic) for topic in Topic) or known.fullmatch("OrderLost"):
            yield "the connector's filter takes other topics than ours"
        names = {document["spec"]["name"] for document in rendered.of_kind("Publication")}
        if settings["publication.name"] not in names:
            yield f"nobody makes the publication {settings['publication.name']}"
        for publication in rendered.of_kind("Publication"):
            if publication["spec"]["parameters"] != {"publish": "insert"}:
                yield "an UPDATE of published_at would reach the connector"
        if settings["table.include.list"] != "bookstore_platform.outbox":
            yield "another table than the outbox reaches the router"


def webhook_events(rendered: Rendered) -> Iterator[str]:
    """The twin sends what the receiver acts on, as it does on one machine."""
    for workload in rendered.of_kind("StatefulSet"):
        if full_name(workload)[1] == "stripe-twin":
            arguments = containers_of(workload)[0]["args"]
            sent = {a.removeprefix("--event=") for a in arguments if a.startswith("--event=")}
            if sent != set(RECEIVED_EVENTS):
                yield f"the twin sends other events: {sorted(sent ^ set(RECEIVED_EVENTS))}"


def measured(rendered: Rendered) -> Iterator[str]:
    """Who scales and who alarms asks for metrics that are there, and every service is scraped."""
    there = set(re.findall(r'"((?:bookpay|payments)_[a-z_]+)"', Path(metrics.__file__).read_text()))
    assert there <= set(REGISTRY._names_to_collectors), "the names of the metrics are read wrongly"
    asked: dict[str, str] = {}
    for rule in rendered.of_kind("PrometheusRule"):
        for group in rule["spec"]["groups"]:
            asked |= {e.get("alert") or e["record"]: e["expr"] for e in group["rules"]}
    for scaler in rendered.of_kind("ScaledObject"):
        if scaler["spec"]["maxReplicaCount"] > PARTITIONS:
            yield f"{full_name(scaler)[1]} scales beyond the {PARTITIONS} partitions"
        for trigger in scaler["spec"]["triggers"]:
            asked[full_name(scaler)[1]] = trigger["metadata"]["query"]
    for name, query in asked.items():
        found = re.findall(r"\b(?:bookpay|payments)_[a-z_]+?(?=_bucket\b|_count\b|\b)", query)
        for metric in set(found) - there:
            yield f"{name} asks for {metric}, which nobody measures"
    for monitor in rendered.of_kind("PodMonitor"):
        expression = monitor["spec"]["selector"]["matchExpressions"][0]
        services = {full_name(w)[1] for w in rendered.of_kind("Deployment")}
        if set(expression["values"]) != services:
            yield f"scraped are not the services: {sorted(set(expression['values']) ^ services)}"


def places(rendered: Rendered) -> Iterator[str]:
    """Names that others rely on: namespaces, and what the design calls the servers."""
    for kind, namespace, name in (
        ("Namespace", "", PAYMENTS),
        ("Namespace", "", KAFKA),
        ("ConfigMap", PAYMENTS, "bookpay-config"),
    ):
        if (namespace, name) not in {full_name(document) for document in rendered.of_kind(kind)}:
            yield f"there is no {kind} {name}"
    bootstrap = rendered.named("ConfigMap", "bookpay-config")["data"]["KAFKA_BOOTSTRAP_SERVERS"]
    if not bootstrap.startswith("bookstore-platform-kafka-bootstrap.kafka-system:"):
        yield f"Kafka is looked for at {bootstrap}"


RULES: Final = (
    settings,
    topics,
    principals,
    change_capture,
    webhook_events,
    measured,
    places,
)
