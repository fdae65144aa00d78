"""What objects say of each other: each function gives the sentences that are not true.

Pure: rendered objects in, complaints out, none where all is well. What lies outside of the objects
(Secrets made by hand, what an operator makes) is named here once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tests.support.manifests.rendering import (
    KAFKA,
    PAYMENTS,
    Rendered,
    containers_of,
    full_name,
    labels_of,
    pod_of,
)

Json = Any  # a document as YAML gives it

# By hand, or by `up`: docs/kubernetes.md has a command for each.
BY_HAND: Final[Mapping[str, frozenset[str]]] = {
    "stripe-api-key": frozenset({"api-key"}),
    "stripe-webhook-secret": frozenset({"webhook-secret"}),
    "bookpay-database": frozenset({"dsn", "password"}),
    "bookpay-tokens": frozenset({"gateway-token", "orders-token"}),
    "bookpay-cdc": frozenset({"username", "password"}),
}

# Of the Secret that CloudNativePG makes for a cluster's owner.
_OF_CNPG: Final = frozenset(
    {"username", "user", "password", "dbname", "host", "port", "pgpass", "uri", "jdbc-uri"}
)

# The platform's, or Kubernetes's own.
_CONFIG_MAPS_OF_OTHERS: Final = {"kube-root-ca.crt": {"ca.crt"}, "vault-ca": {"ca.crt"}}


def selects(selector: Mapping[str, Json] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    selector = selector or {}
    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", ())
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def services(rendered: Rendered) -> Iterator[str]:
    """Each Service has the pods of one workload, and a port that they open."""
    for service in rendered.of_kind("Service"):
        namespace, name = full_name(service)
        behind = [
            workload
            for workload in rendered.workloads
            if full_name(workload)[0] == namespace
            and selects({"matchLabels": service["spec"]["selector"]}, labels_of(workload))
        ]
        if len(behind) != 1:
            yield f"Service {name} selects the pods of {len(behind)} workloads"
            continue
        opened = ports_of(behind[0])
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if target not in opened and target not in opened.values():
                yield f"Service {name}: no container opens port {target}"
            if opened.get(target, target) != port["port"]:
                yield f"Service {name}: port {port['port']} goes to another, {opened.get(target)}"


def ports_of(workload: Json) -> dict[str, int]:
    """What the pod opens, by name."""
    return {
        port["name"]: port["containerPort"]
        for container in containers_of(workload)
        for port in container.get("ports", ())
    }


def secrets_of(rendered: Rendered) -> dict[str, frozenset[str]]:
    """Secrets that pods find in the payments namespace, and their keys."""
    found = dict(BY_HAND)
    for external in rendered.of_kind("ExternalSecret"):
        keys = frozenset(entry["secretKey"] for entry in external["spec"]["data"])
        found[external["spec"]["target"]["name"]] = keys
    for cluster in rendered.of_kind("Cluster"):
        found[f"{cluster['metadata']['name']}-app"] = _OF_CNPG
    return found


def secrets(rendered: Rendered) -> Iterator[str]:
    """Each Secret that a pod mounts is made by somebody, with the keys that are read."""
    known = secrets_of(rendered)
    for workload in rendered.workloads:
        name = full_name(workload)[1]
        for volume in pod_of(workload)["spec"].get("volumes", ()):
            if "secret" not in volume:
                continue
            secret = volume["secret"]
            if secret["secretName"] not in known:
                yield f"{name} mounts the Secret {secret['secretName']}, which nobody makes"
                continue
            read = {item["key"] for item in secret.get("items", ())}
            for key in sorted(read - known[secret["secretName"]]):
                yield f"{name} reads {key} of {secret['secretName']}, which has none"
            if not read:
                yield f"{name} mounts all of {secret['secretName']}, not what it reads"
        for container in containers_of(workload):
            for variable in container.get("env", ()):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    yield f"{name} has a secret in its environment: {variable['name']}"


def files(rendered: Rendered) -> Iterator[str]:
    """Each *_FILE and each option of a file names one that is mounted."""
    for workload in rendered.workloads:
        volumes = {volume["name"]: volume for volume in pod_of(workload)["spec"].get("volumes", ())}
        for container in containers_of(workload):
            mounted = {
                f"{mount['mountPath']}/{item['path']}"
                for mount in container.get("volumeMounts", ())
                for item in volumes.get(mount["name"], {}).get("secret", {}).get("items", ())
            }
            for path in _files_named(container):
                if path not in mounted:
                    yield f"{full_name(workload)[1]}/{container['name']}: {path} is not mounted"


def _files_named(container: Json) -> Iterator[str]:
    for variable in container.get("env", ()):
        if variable["name"].endswith("_FILE"):
            yield variable["value"]
    for argument in container.get("args", ()):
        _, equals, value = argument.partition("-file=")
        if equals:
            yield value


def volumes(rendered: Rendered) -> Iterator[str]:
    """Each mount has its volume, and each volume is mounted."""
    for workload in rendered.workloads:
        spec = pod_of(workload)["spec"]
        claimed = workload["spec"].get("volumeClaimTemplates", ())
        had = {volume["name"] for volume in spec.get("volumes", ())} | {
            claim["metadata"]["name"] for claim in claimed
        }
        mounted = {
            mount["name"]
            for container in containers_of(workload)
            for mount in container.get("volumeMounts", ())
        }
        for name in sorted(had ^ mounted):
            yield f"{full_name(workload)[1]}: {name} is mounted or there, and not both"


def config_maps(rendered: Rendered) -> Iterator[str]:
    """Each ConfigMap that is read is there."""
    there = {full_name(document) for document in rendered.of_kind("ConfigMap")}
    for workload in rendered.workloads:
        namespace, name = full_name(workload)
        for container in containers_of(workload):
            for source in container.get("envFrom", ()):
                if (namespace, source["configMapRef"]["name"]) not in there:
                    yield f"{name} reads the ConfigMap {source['configMapRef']['name']}"
    for store in rendered.of_kind("SecretStore"):
        for name, provider in store["spec"]["provider"].items():
            trust = (provider["server"] if name == "kubernetes" else provider)["caProvider"]
            if trust["key"] not in _CONFIG_MAPS_OF_OTHERS.get(trust["name"], set()):
                yield f"{full_name(store)[1]} trusts {trust['name']}/{trust['key']}"


def accounts(rendered: Rendered) -> Iterator[str]:
    """Each pod has an account of its own, and each account that is bound or lent is there."""
    there = {full_name(account) for account in rendered.of_kind("ServiceAccount")}
    for workload in rendered.workloads:
        namespace, name = full_name(workload)
        account = pod_of(workload)["spec"].get("serviceAccountName", "default")
        if (namespace, account) not in there:
            yield f"{name} runs as {account}, which is not there"
        if account != name:
            yield f"{name} runs as {account}, not as itself"
    # Strimzi makes the account of a KafkaConnect.
    made = {
        (connect["metadata"]["namespace"], f"{connect['metadata']['name']}-connect")
        for connect in rendered.of_kind("KafkaConnect")
    }
    for binding in rendered.of_kind("RoleBinding"):
        namespace, name = full_name(binding)
        for subject in binding["subjects"]:
            if (subject["namespace"], subject["name"]) not in there | made:
                yield f"RoleBinding {name} is for {subject['name']}, which is not there"
        roles = {full_name(role) for role in rendered.of_kind("Role")}
        if (namespace, binding["roleRef"]["name"]) not in roles:
            yield f"RoleBinding {name} gives {binding['roleRef']['name']}, which is not there"
    for store in rendered.of_kind("SecretStore"):
        for account in _lent(store["spec"]["provider"]):
            if (full_name(store)[0], account) not in there:
                yield f"SecretStore {full_name(store)[1]} asks as {account}, which is not there"


def _lent(provider: Json) -> Iterable[str]:
    for name, settings in provider.items():
        if name == "vault":
            yield settings["auth"]["kubernetes"]["serviceAccountRef"]["name"]
        elif name == "kubernetes":
            yield settings["auth"]["serviceAccount"]["name"]


def budgets(rendered: Rendered) -> Iterator[str]:
    """Each Deployment of ours has one disruption budget, and no operator's pod has one of ours."""
    selected: dict[str, int] = {}
    for budget in rendered.of_kind("PodDisruptionBudget"):
        name, selector = full_name(budget)[1], budget["spec"]["selector"]
        if any("strimzi.io" in key or "cnpg.io" in key for key in selector.get("matchLabels", {})):
            yield f"PodDisruptionBudget {name} is for pods whose operator has its own"
        behind = [w for w in rendered.workloads if selects(selector, labels_of(w))]
        if len(behind) != 1:
            yield f"PodDisruptionBudget {name} is for {len(behind)} workloads"
        for workload in behind:
            selected[full_name(workload)[1]] = selected.get(full_name(workload)[1], 0) + 1
    for workload in rendered.of_kind("Deployment"):
        if selected.get(full_name(workload)[1]) != 1:
            yield f"{full_name(workload)[1]} has {selected.get(full_name(workload)[1], 0)} budgets"


def scalers(rendered: Rendered) -> Iterator[str]:
    """Who scales a Deployment finds it, and the manifest leaves its number alone."""
    for scaler in rendered.of_kind("ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        behind = [w for w in rendered.of_kind("Deployment") if full_name(w)[1] == target]
        if len(behind) != 1:
            yield f"ScaledObject {full_name(scaler)[1]} scales {target}, which is not there"
        if any("replicas" in workload["spec"] for workload in behind):
            yield f"{target} says how many, and so does its scaler"


def routes(rendered: Rendered) -> Iterator[str]:
    """Who routes, routes to a Service of ours, and never sends a request twice."""
    hosts = {
        f"{name}.{namespace}.svc.cluster.local": {port["port"] for port in service["spec"]["ports"]}
        for service in rendered.of_kind("Service")
        for namespace, name in [full_name(service)]
    }
    for route in rendered.of_kind("VirtualService"):
        for http in route["spec"]["http"]:
            if http.get("retries", {}).get("attempts") != 0:
                yield f"VirtualService {full_name(route)[1]} sends a request again"
            for entry in http["route"]:
                to = entry["destination"]
                if to["port"]["number"] not in hosts.get(to["host"], ()):
                    yield f"VirtualService {full_name(route)[1]} routes to {to['host']}"
    known = {"KafkaTopic": "Kafka", "KafkaUser": "Kafka", "KafkaNodePool": "Kafka"}
    for kind, owner in {**known, "KafkaConnector": "KafkaConnect"}.items():
        owners = {full_name(document) for document in rendered.of_kind(owner)}
        for document in rendered.of_kind(kind):
            of = document["metadata"].get("labels", {}).get("strimzi.io/cluster", "")
            if (KAFKA, of) not in owners:
                yield f"{kind} {full_name(document)[1]} belongs to no {owner}: {of!r}"
    for kind in ("DatabaseRole", "Publication"):
        for document in rendered.of_kind(kind):
            of = document["spec"]["cluster"]["name"]
            if (PAYMENTS, of) not in {
                full_name(cluster) for cluster in rendered.of_kind("Cluster")
            }:
                yield f"{kind} {full_name(document)[1]} belongs to no Cluster: {of!r}"


RULES: Final = (
    services,
    secrets,
    files,
    volumes,
    config_maps,
    accounts,
    budgets,
    scalers,
    routes,
)
