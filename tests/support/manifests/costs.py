"""What an overlay asks a cluster for when all of it runs: pods, CPU, memory, disks.

Pods that an operator makes are counted from its objects; the operators themselves, the mesh's
sidecars and what runs once are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tests.support.manifests.rendering import Json, Rendered

_UNITS: Final = {
    "m": Decimal(1) / 1000,
    "Ki": Decimal(1024),
    "Mi": Decimal(1024**2),
    "Gi": Decimal(1024**3),
    "Ti": Decimal(1024**4),
}
_GI: Final = _UNITS["Gi"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests of one kind of pod, and how many there are; bytes and cores."""

    pods: int
    cpu: Decimal
    memory: Decimal
    disk: Decimal = Decimal(0)


def cost_row(overlay: Rendered) -> tuple[str, str, str, str, str]:
    """An overlay's line of the table in docs/kubernetes.md."""
    costs = list(_costs(overlay))
    cpu = sum((cost.pods * cost.cpu for cost in costs), Decimal(0))
    memory = sum((cost.pods * cost.memory for cost in costs), Decimal(0))
    disk = sum((cost.pods * cost.disk for cost in costs), Decimal(0))
    return (
        f"`{overlay.name}`",
        str(sum(cost.pods for cost in costs)),
        f"{cpu:.2f}",
        f"{memory / _GI:.1f} GiB",
        f"{disk / _GI:.0f} GiB",
    )


def _costs(overlay: Rendered) -> Iterator[Cost]:
    for workload in overlay.of_kind("Deployment", "StatefulSet"):
        spec = workload["spec"]
        containers = spec["template"]["spec"]["containers"]
        claims = [claim["spec"] for claim in spec.get("volumeClaimTemplates", [])]
        yield Cost(
            spec.get("replicas", 1),
            _sum(_requests(container, "cpu") for container in containers),
            _sum(_requests(container, "memory") for container in containers),
            _sum(quantity(claim["resources"]["requests"]["storage"]) for claim in claims),
        )
    for cluster in overlay.of_kind("Cluster"):
        spec = cluster["spec"]
        disks = [spec["storage"]["size"], spec.get("walStorage", {}).get("size", "0")]
        yield Cost(
            spec["instances"],
            _requests(spec, "cpu"),
            _requests(spec, "memory"),
            _sum(map(quantity, disks)),
        )
    for pool in overlay.of_kind("KafkaNodePool"):
        spec = pool["spec"]
        volumes = spec["storage"]["volumes"]
        yield Cost(
            spec["replicas"],
            _requests(spec, "cpu"),
            _requests(spec, "memory"),
            _sum(quantity(volume["size"]) for volume in volumes),
        )
    for kafka in overlay.of_kind("Kafka"):
        operators = kafka["spec"]["entityOperator"].values()
        yield Cost(
            1,
            _sum(_requests(operator, "cpu") for operator in operators),
            _sum(_requests(operator, "memory") for operator in operators),
        )


def _requests(part: Mapping[str, Json], resource: str) -> Decimal:
    return quantity(part["resources"]["requests"][resource])


def _sum(parts: Iterator[Decimal]) -> Decimal:
    return sum(parts, Decimal(0))


def quantity(text: str) -> Decimal:
    """A Kubernetes quantity in cores or bytes: 250m, 2, 768Mi."""
    digits = text.rstrip("mKMGTi")
    unit = text.removeprefix(digits)
    return Decimal(digits) * (_UNITS[unit] if unit else 1)
