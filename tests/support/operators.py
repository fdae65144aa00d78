"""Stacks with operators: the operator is started in the lab, and a stack is composed for it.

In another cluster than the lab's the operator has to be there. Nothing of this runs unless it is
asked for (BOOKPAY_OPERATORS=1): each operator takes some minutes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import POD, Kind
from bookpayctl.targets.platforms import reached
from tests.support.cluster import TestCluster, left_in, run_long
from tests.support.command_line import CommandLine
from tests.support.lab import LAB_CONTEXT, ROOT, lab_command, lab_script
from tests.support.twin import Twin
from tests.support.waiting import eventually

Json = Any  # a document as the API server gives it

OPTED_IN: Final = bool(os.environ.get("BOOKPAY_OPERATORS"))
asked_for: Final = pytest.mark.skipif(
    not OPTED_IN, reason="set BOOKPAY_OPERATORS=1: some minutes with each operator"
)

SPACE: Final = "bookstore-platform-payments"
NAME: Final = "operators"
SERVICES: Final = (
    "notifier",
    "orders-service",
    "orders-service-consumer",
    "outbox-publisher",
    "payments-gateway",
    "payments-reconciler",
    "payments-webhook-receiver",
    "payments-worker",
)

UP_SECONDS_MAX: Final = 420

# kubelet writes a changed Secret or ConfigMap into its pods once a minute, more or less.
KUBELET_SECONDS_MAX: Final = 180.0


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        name: as the lab calls it.
        definition: a kind that it brings, by which it is known to be there.
        arguments: of the lab's program; with them it is asked again, whatever runs.
    """

    name: str
    definition: str
    arguments: tuple[str, ...] = ()


CNPG: Final = Operator("cnpg", "clusters.postgresql.cnpg.io")
# The tests say whose request it is in X-Forwarded-For, as one balancer in front would.
ISTIO: Final = Operator(
    "istio", "authorizationpolicies.security.istio.io", ("--trusted-proxies", "1")
)
EXTERNAL_SECRETS: Final = Operator("eso", "externalsecrets.external-secrets.io")
KEDA: Final = Operator("keda", "scaledobjects.keda.sh")
MONITORING: Final = Operator("monitoring", "podmonitors.monitoring.coreos.com")


def start(cluster: TestCluster, *operators: Operator) -> None:
    """See that operators run; the test is skipped where one is not there and cannot be started."""
    for operator in operators:
        found = cluster.kubectl(
            "get", "crd", "-o", "name", "--ignore-not-found", operator.definition
        )
        lab = lab_of(cluster)
        if lab is not None and (operator.arguments or not found.strip()):
            lab_command(lab, operator.name, *operator.arguments)
        elif not found.strip():
            pytest.skip(f"no operator: the cluster has no {operator.definition}, and is no lab")


def lab_of(cluster: TestCluster) -> Path | None:
    """The lab's program, if it is the lab that the tests talk to."""
    context = cluster.kubectl("config", "current-context").strip()
    return lab_script() if context == LAB_CONTEXT else None


def compose(
    folder: Path,
    *components: str,
    database: str = "postgres",
    resources: Sequence[Json] = (),
    patches: Sequence[tuple[Mapping[str, str], Json]] = (),
) -> Path:
    """A kustomization as a user writes one: the small stack with some components more.

    Args:
        database: the component that brings PostgreSQL.
        patches: target, and either a list of JSON patches or a part of an object.
    """
    # kustomize takes no absolute path, and follows links before it goes up.
    place = folder.resolve() / "overlay"
    place.mkdir()
    names = ["prepare", database, "kafka", "twin", "mail-sink", *components]
    names += ["small", "labels", "hardening"]
    manifests = Path(os.path.relpath(ROOT / "manifests", place))
    document: Json = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(manifests / "base")],
        "components": [str(manifests / "components" / name) for name in names],
        "patches": [
            {"target": dict(target), "patch": yaml.safe_dump(patch)} for target, patch in patches
        ],
    }
    for number, resource in enumerate(resources):
        (place / f"resource-{number}.yaml").write_text(yaml.safe_dump(resource))
        document["resources"].append(f"resource-{number}.yaml")
    (place / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return place


@contextmanager
def stack(cluster: TestCluster, home: Path, overlay: Path) -> Iterator[CommandLine]:
    """An overlay brought up by the command line, and taken down whatever happens."""
    home.mkdir()
    command = CommandLine(home, cluster.variables, NAME)
    try:
        up = run_long(command, *up_arguments(cluster, overlay))
        assert up.returncode == 0, up.stderr
        yield command
    finally:
        down = run_long(command, "down", "--timeout", "300s")
    assert down.returncode == 0, down.stderr
    assert left_in(cluster) == []


def up_arguments(cluster: TestCluster, overlay: Path) -> tuple[str, ...]:
    return (
        *("up", "--on", "kube", "--overlay", str(overlay), "--image", cluster.image),
        *("--timeout", f"{UP_SECONDS_MAX}s"),
    )


@contextmanager
def within_reach(command: CommandLine) -> Iterator[Environment]:
    """The environment with addresses that work from here, while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in command.variables().items():
            patch.setenv(name, value)
        yield reached(environments.load(command.name))


@contextmanager
def twin_within_reach(command: CommandLine) -> Iterator[Twin]:
    """The environment's twin, by addresses that work from here while the block lasts."""
    with within_reach(command) as environment:
        assert environment.stripe_control_url is not None
        twin = Twin(environment.stripe_api_base, environment.stripe_control_url)
        try:
            yield twin
        finally:
            twin.http.close_connections()


def pods_of(api: Cluster, app: str) -> list[Json]:
    """The pods of one service that are not on their way out."""
    found = api.objects(POD, SPACE, labels=f"app={app}")
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def runs_of(pods: Sequence[Json]) -> set[tuple[str, int]]:
    """Which pods they are and how often their containers were started, to see that none was."""
    return {
        (pod["metadata"]["uid"], status["restartCount"])
        for pod in pods
        for status in pod["status"]["containerStatuses"]
    }


def wait_for(
    api: Cluster, kind: Kind, name: str, good: Callable[[Json], object], *, seconds: float = 120.0
) -> Json:
    """An object once its operator says what is waited for."""

    def look() -> Json:
        found = api.find(kind, name, SPACE)
        return found if found is not None and good(found) else None

    return eventually(
        look, lambda: json.dumps((api.find(kind, name, SPACE) or {}).get("status")), seconds
    )


def condition(document: Json, name: str) -> str:
    """The status of a condition; empty while there is none."""
    for one in (document.get("status") or {}).get("conditions") or []:
        if one["type"] == name:
            return str(one["status"])
    return ""
