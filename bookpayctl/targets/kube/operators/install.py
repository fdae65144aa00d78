"""What operators a cluster has, and bringing those in that are to be installed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import AbsentError, ClusterError, RolloutDeadlineError
from bookpayctl.targets.kube.kinds import CUSTOM_RESOURCE_DEFINITION, NAMESPACE, Kind
from bookpayctl.targets.kube.operators.choice import (
    INSTALLED_FOR_LABEL,
    OperatorPlan,
    needed_of_others,
    needed_operators,
    plan_operators,
)
from bookpayctl.targets.kube.operators.pins import Operator
from bookpayctl.targets.kube.operators.sources import Fetch, OperatorSources, texts_of
from bookpayctl.targets.kube.operators.upstream import CRD, operator_documents
from bookpayctl.targets.kube.rollout import wait_for
from bookpayctl.targets.platform import UpStep

_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Installation:
    """One operator that is to be installed, with all that it is."""

    operator: Operator
    documents: list[Document]


def look_for_operators(
    cluster: Cluster, documents: list[Document], *, chosen: str, environment: str
) -> OperatorPlan:
    """Ask the cluster about every operator that the documents need.

    Raises:
        OperatorMissingError: one is absent and is not to be installed.
    """
    needed = needed_operators(documents)
    there = {operator.name: _labels_of(cluster, operator.crd) for operator in needed}
    lacking = [
        title
        for group, title in needed_of_others(documents).items()
        if not _knows_all(cluster, group, documents)
    ]
    return plan_operators(needed, there, lacking, chosen=chosen, environment=environment)


def read_installations(
    plan: OperatorPlan, sources: OperatorSources, fetch: Fetch, environment: str
) -> list[Installation]:
    """Everything that will be applied, before anything is.

    Raises:
        OperatorFilesError, OtherBytesError: nothing was changed.
    """
    return [
        Installation(
            operator, operator_documents(operator, texts_of(operator, sources, fetch), environment)
        )
        for operator in plan.install
    ]


def expect_kinds(cluster: Cluster, installations: list[Installation]) -> None:
    """Let the cluster's client know the kinds that will be there, so that rights can be asked."""
    for installation in installations:
        for document in installation.documents:
            if document["kind"] == CRD:
                for kind in kinds_of(document):
                    cluster.expect(kind)


def kinds_of(definition: Document) -> list[Kind]:
    """The kinds that a CustomResourceDefinition makes: one for each version that is served."""
    spec = definition["spec"]
    names, namespaced = spec["names"], spec["scope"] == "Namespaced"
    return [
        Kind(f"{spec['group']}/{version['name']}", names["kind"], names["plural"], namespaced)
        for version in spec["versions"]
        if version["served"]
    ]


def install(
    cluster: Cluster,
    installation: Installation,
    *,
    environment: str,
    deadline: float,
    tell: Callable[[UpStep], None],
) -> None:
    """Apply an operator and wait until it runs; the same again finishes what was begun.

    Raises:
        RolloutError: it does not become ready, and why.
    """
    title = installation.operator.title
    tell(UpStep(title, f"installing {len(installation.documents)} objects", transient=True))
    definitions = [doc for doc in installation.documents if doc["kind"] == CRD]
    for document in definitions:
        cluster.apply(document)
    _wait_established(cluster, definitions, deadline)
    for document in installation.documents:
        if document["kind"] != CRD and not _is_anothers(cluster, document, environment):
            cluster.apply(document)
    wait_for(cluster, installation.documents, deadline=deadline, tell=tell)
    tell(UpStep(title, "installed", done=True))


def _labels_of(cluster: Cluster, crd: str) -> dict[str, str] | None:
    found = cluster.find(CUSTOM_RESOURCE_DEFINITION, crd)
    if found is None:
        return None
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels


def _knows_all(cluster: Cluster, group: str, documents: list[Document]) -> bool:
    """Whether the cluster has every kind of a group that the documents name."""
    try:
        for document in documents:
            if document["apiVersion"].rpartition("/")[0] == group:
                cluster.kind_of(document)
    except AbsentError:
        return False
    return True


def _wait_established(cluster: Cluster, definitions: list[Document], deadline: float) -> None:
    names = [document["metadata"]["name"] for document in definitions]
    waited = wait_until(
        lambda: [name for name in names if not _is_established(cluster, name)],
        lambda left: not left,
        deadline_seconds=max(0.0, deadline - time.monotonic()),
        every_seconds=_LOOK_SECONDS,
    )
    if not waited.reached:
        raise RolloutDeadlineError(f"not established: {', '.join(waited.value)}")


def _is_established(cluster: Cluster, name: str) -> bool:
    found = cluster.find(CUSTOM_RESOURCE_DEFINITION, name) or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _is_anothers(cluster: Cluster, document: Document, environment: str) -> bool:
    """A namespace that somebody made beforehand: it is used, and not made ours, nor removed."""
    if document["kind"] != NAMESPACE.kind:
        return False
    found = cluster.find(NAMESPACE, document["metadata"]["name"])
    labels = ((found or {}).get("metadata") or {}).get("labels") or {}
    return found is not None and labels.get(INSTALLED_FOR_LABEL) != environment


def apply_patiently(cluster: Cluster, document: Document, *, deadline: float) -> None:
    """Apply, and again while an operator's webhook that has just begun does not answer.

    Raises:
        ClusterError: the API server refused for another reason, or until the deadline.
    """
    waited = wait_until(
        lambda: _refusal(cluster, document),
        lambda refusal: refusal is None,
        deadline_seconds=max(0.0, deadline - time.monotonic()),
        every_seconds=_LOOK_SECONDS,
    )
    if waited.value is not None:
        raise waited.value


def _refusal(cluster: Cluster, document: Document) -> ClusterError | None:
    try:
        cluster.apply(document)
    except ClusterError as error:
        if "failed calling webhook" not in str(error):
            raise
        return error
    return None
