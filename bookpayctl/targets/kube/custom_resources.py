"""What an operator says of its custom resources: ready, or at what it is. Pure.

Only those that something of ours waits for. Their projects tell readiness alike: a condition
`Ready` that is true, for the newest generation where the status says which one it is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AwaitedResource:
    """A kind of custom resource that is waited for.

    Attributes:
        plural: as the API server calls its collection.
        pods_label: the label by which its pods name it; empty where it has none.
    """

    plural: str
    pods_label: str = ""


_AWAITED: Final = {
    ("postgresql.cnpg.io", "Cluster"): AwaitedResource("clusters", "cnpg.io/cluster"),
    ("kafka.strimzi.io", "Kafka"): AwaitedResource("kafkas", "strimzi.io/cluster"),
    ("kafka.strimzi.io", "KafkaTopic"): AwaitedResource("kafkatopics"),
    ("external-secrets.io", "ExternalSecret"): AwaitedResource("externalsecrets"),
}

NOBODY_LOOKED: Final = "no operator has looked at it yet"


def awaited(document: Document) -> AwaitedResource | None:
    """How a document is waited for; None when it is not."""
    group = document["apiVersion"].rpartition("/")[0]
    return _AWAITED.get((group, document["kind"]))


def is_resource_ready(resource: Document) -> bool:
    """Whether its operator calls the newest generation ready."""
    status = resource.get("status") or {}
    generation = resource["metadata"].get("generation", 0)
    if int(status.get("observedGeneration", generation)) < generation:
        return False
    return _condition(status, "Ready", "True") is not None


def what_lacks(resource: Document) -> str:
    """In one line, in the operator's own words."""
    status = resource.get("status") or {}
    # Strimzi says NotReady=True, the others Ready=False; CloudNativePG has a phase besides.
    failed = _condition(status, "NotReady", "True") or _condition(status, "Ready", "False")
    words = [
        str(status.get("phase") or ""),
        str(status.get("phaseReason") or ""),
        str((failed or {}).get("message") or (failed or {}).get("reason") or ""),
    ]
    said = ": ".join(dict.fromkeys(word for word in words if word))
    return said or ("it is not ready yet" if status else NOBODY_LOOKED)


def _condition(status: Document, name: str, value: str) -> Document | None:
    for condition in status.get("conditions") or []:
        if condition["type"] == name and condition["status"] == value:
            found: Document = condition
            return found
    return None
