"""The objects of a diversion: a proxy pod before a service, and what it needs. Pure.

The Service leads to the proxy, and a second one of the same selector to those behind it. Both
directions of the namespace's default-deny policies are opened for the proxy alone. All of it bears
one label, by which it is found again and removed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Final

from bookpayctl.targets.kube.cluster import Document
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL

LABEL: Final = "bookpay.dev/diversion"
"""On everything that a diversion made: the service that is diverted."""

ANNOTATION: Final = "bookpay.dev/diverted-selector"
"""On the Service: its selector as it was, as JSON, to be put back."""

CONTROL_PORT: Final = 9099

_SETTINGS_OF_POD: Final = ("securityContext", "imagePullSecrets", "tolerations")
_SETTINGS_OF_SERVICE: Final = ("selector", "publishNotReadyAddresses")
_SETTINGS_OF_PORT: Final = ("name", "port", "protocol", "targetPort", "appProtocol")


def proxy_name(service: str) -> str:
    return f"{service}-diversion"


def behind_name(service: str) -> str:
    """Of the Service that leads to those behind the proxy."""
    return f"{service}-behind-diversion"


def proxy_pod(service: Document, backend: Document, ours: Document, environment: str) -> Document:
    """The proxy, with the rights of a pod of ours, listening where those behind it listen.

    Args:
        backend: a pod that the Service leads to.
        ours: a pod of our image.
    """
    name, like = service["metadata"]["name"], ours["spec"]["containers"][0]
    ports = [(port, container_port(port, backend)) for port in service["spec"]["ports"]]
    container = {
        "name": "proxy",
        "image": like["image"],
        "imagePullPolicy": like.get("imagePullPolicy", "IfNotPresent"),
        "args": [
            "bookpayctl.targets.container",
            "proxy",
            f"--control-port={CONTROL_PORT}",
            *(f"--forward={number}={behind_name(name)}:{port['port']}" for port, number in ports),
        ],
        # The same names: a Service's targetPort may be one.
        "ports": [
            {"containerPort": number, "protocol": "TCP", **_name_of(port)} for port, number in ports
        ],
        "resources": {
            "requests": {"cpu": "20m", "memory": "48Mi"},
            "limits": {"memory": "192Mi"},
        },
        **({"securityContext": like["securityContext"]} if "securityContext" in like else {}),
    }
    kept = {key: ours["spec"][key] for key in _SETTINGS_OF_POD if key in ours["spec"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _meta(proxy_name(name), service, environment),
        "spec": {
            **copy.deepcopy(kept),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 2,
            "containers": [container],
        },
    }


def behind_service(service: Document, environment: str) -> Document:
    """A Service for those behind the proxy: the same selector and ports under another name."""
    spec, name = service["spec"], service["metadata"]["name"]
    kept = {key: spec[key] for key in _SETTINGS_OF_SERVICE if key in spec}
    # Without an address of its own, where the one before has none: clients then see the pods.
    headless = {"clusterIP": "None"} if spec.get("clusterIP") == "None" else {}
    ports = [{key: port[key] for key in _SETTINGS_OF_PORT if key in port} for port in spec["ports"]]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(behind_name(name), service, environment),
        "spec": {**kept, **headless, "ports": ports},
    }


def policies(service: Document, environment: str) -> list[Document]:
    """What lets every pod of the namespace speak with the proxy, and it with every one."""
    name = service["metadata"]["name"]
    everybody: Document = {"podSelector": {}}
    proxy: Document = {"podSelector": {"matchLabels": {LABEL: name}}}

    def policy(suffix: str, subject: Document, peer: Document) -> Document:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": _meta(f"{proxy_name(name)}-{suffix}", service, environment),
            "spec": {
                **subject,
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [peer]}],
                "egress": [{"to": [peer]}],
            },
        }

    return [policy("proxy", proxy, everybody), policy("others", everybody, proxy)]


def is_denied_by_default(policies_there: Iterable[Document]) -> bool:
    """Whether every pod of the namespace is closed both ways but for what policies allow.

    Only then may a policy for all of them be added: where nothing is denied, it would deny.
    """
    closed: set[str] = set()
    for policy in policies_there:
        spec = policy["spec"]
        if not any((spec.get("podSelector") or {}).values()):
            closed |= set(spec.get("policyTypes") or [])
    return {"Ingress", "Egress"} <= closed


def diverted_change(service: Document) -> Document:
    """The patch that leads a Service to its proxy, and writes down on it where it led."""
    before, name = service["spec"]["selector"], service["metadata"]["name"]
    return {
        "metadata": {"annotations": {ANNOTATION: json.dumps(before, sort_keys=True)}},
        "spec": {"selector": {**dict.fromkeys(before), LABEL: name}},
    }


def restored_change(service: Document) -> Document | None:
    """The patch that leads it back; None when it is not diverted."""
    annotations = service["metadata"].get("annotations") or {}
    if ANNOTATION not in annotations:
        return None
    before = json.loads(annotations[ANNOTATION])
    now = service["spec"].get("selector") or {}
    return {
        "metadata": {"annotations": {ANNOTATION: None}},
        "spec": {"selector": {**dict.fromkeys(now), **before}},
    }


def container_port(port: Document, backend: Document) -> int:
    """The number behind a Service's port, as the pod behind it has it.

    Raises:
        LookupError: the pod has no port of that name.
    """
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in backend["spec"]["containers"]:
        for found in container.get("ports") or []:
            if found.get("name") == target:
                return int(found["containerPort"])
    raise LookupError(f"pod {backend['metadata']['name']} has no port {target}")


def _name_of(port: Document) -> Document:
    target = port.get("targetPort")
    return {"name": target} if isinstance(target, str) else {}


def selector_of(service: Document) -> str:
    """The selector of a Service as a query."""
    selector = service["spec"].get("selector") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


def _meta(name: str, service: Document, environment: str) -> Document:
    meta = service["metadata"]
    return {
        "name": name,
        "namespace": meta["namespace"],
        "labels": {LABEL: meta["name"], ENVIRONMENT_LABEL: environment},
    }
