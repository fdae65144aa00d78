"""What could stop `up` in a cluster, found before it does. Nothing is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube import manifests, permissions
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.connecting import open_cluster
from bookpayctl.targets.kube.contexts import refuse_context
from bookpayctl.targets.kube.errors import AbsentError
from bookpayctl.targets.kube.kinds import NODE, Kind
from bookpayctl.targets.kube.operators.choice import OperatorPlan
from bookpayctl.targets.kube.operators.install import (
    expect_kinds,
    look_for_operators,
    read_installations,
)
from bookpayctl.targets.kube.operators.sources import OperatorFilesError, OperatorSources
from bookpayctl.targets.kube.options import KubeOptions, read_options
from bookpayctl.targets.kube.ownership import refuse_foreign
from bookpayctl.targets.platform import Examination, ExaminationResult
from bookpayctl.targets.servers.jars import cache_dir
from bookpayctl.targets.settings import Value

_STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

# Sidecar containers, sleep as a lifecycle handler, and what the manifests' admission labels name.
MINOR_MIN = 34


def examine(values: Mapping[str, Value]) -> list[Examination]:
    """Look at everything; what needs a cluster is unknown when there is none."""
    options = read_options(values, os.environ)
    return [examine_kubectl(), *examine_cluster(options, lambda: open_cluster(options.context))]


def examine_cluster(options: KubeOptions, connect: Callable[[], Cluster]) -> list[Examination]:
    """Look at everything that needs a cluster."""
    return _examined(
        connect,
        lambda cluster: [
            _context(cluster, options.allowed),
            *_for_objects(cluster, options),
            _nodes(cluster),
            _storage(cluster),
        ],
    )


def examine_attached(allowed: tuple[str, ...], connect: Callable[[], Cluster]) -> list[Examination]:
    """Look at what the commands need where somebody else deploys: nothing is made there."""
    return _examined(connect, lambda cluster: [_context(cluster, allowed)])


def _examined(
    connect: Callable[[], Cluster], look: Callable[[Cluster], list[Examination]]
) -> list[Examination]:
    """Whether the cluster answers, and what is seen there if it does."""
    try:
        cluster = connect()
        version = _version(cluster)
    except TargetError as error:
        return [_said("cluster", "an API server that answers", error)]
    return [version, *look(cluster)]


def _for_objects(cluster: Cluster, options: KubeOptions) -> list[Examination]:
    """Whether the objects of the overlay can be made there."""
    try:
        rendered = manifests.render_chosen(options)
    except manifests.ManifestsError as error:
        return [_said("manifests", "can be rendered", error)]
    documents = manifests.personal(rendered, options)
    spaces = [doc["metadata"]["name"] for doc in documents if doc["kind"] == "Namespace"]
    operators = _operators(cluster, documents, options)
    # Kinds that an operator brings later: what becomes of them was said just now.
    known = [document for document in documents if _knows(cluster, document)]
    return [
        _asked(
            "namespaces",
            "free, or this environment's",
            lambda: refuse_foreign(cluster, spaces, options.name),
            ", ".join(spaces),
        ),
        operators,
        _asked(
            "permissions",
            "all that up, down and drills do",
            lambda: permissions.refuse_without(cluster, permissions.deeds_of(cluster, known)),
            "all granted",
        ),
    ]


def _context(cluster: Cluster, allowed: tuple[str, ...]) -> Examination:
    return _asked(
        "context",
        "kind's, or allowed",
        lambda: refuse_context(cluster, allowed),
        f"{cluster.context} at {cluster.server}",
    )


def examine_kubectl() -> Examination:
    """Manifests are rendered with it."""
    place = shutil.which("kubectl")
    if place:
        return Examination("kubectl", ExaminationResult.OK, "on PATH", place)
    return Examination(
        "kubectl", ExaminationResult.FAILED, "on PATH", "not there", "install kubectl"
    )


def _version(cluster: Cluster) -> Examination:
    found = cluster.version()
    text, minor = str(found["gitVersion"]), int("".join(filter(str.isdigit, found["minor"])))
    result = ExaminationResult.OK if minor >= MINOR_MIN else ExaminationResult.WARNING
    return Examination("kubernetes", result, f"1.{MINOR_MIN} or newer", text)


def _operators(cluster: Cluster, documents: list[Document], options: KubeOptions) -> Examination:
    """Whether what the overlay needs is there, or can be installed."""
    required = "what the overlay needs, there or to be installed"
    sources = OperatorSources(options.operator_files, cache_dir())
    try:
        plan = look_for_operators(
            cluster, documents, chosen=options.operators, environment=options.name
        )
        expect_kinds(cluster, read_installations(plan, sources, _no_network, options.name))
    except OperatorFilesError as error:
        if options.operator_files is not None:
            return _said("operators", required, error)
        return Examination("operators", ExaminationResult.WARNING, required, str(error), error.fix)
    except TargetError as error:
        return _said("operators", required, error)
    return Examination("operators", ExaminationResult.OK, required, _summary(plan))


def _knows(cluster: Cluster, document: Document) -> bool:
    try:
        cluster.kind_of(document)
    except AbsentError:
        return False
    return True


def _no_network(_address: str) -> str:
    raise OSError("not fetched yet; `up` does it")


def _summary(plan: OperatorPlan) -> str:
    new = [f"{operator.title} will be installed" for operator in plan.install]
    return ", ".join([*(f"{title} is there" for title in plan.used), *new]) or "none needed"


def _asked(
    subject: str, required: str, question: Callable[[], object], observed: str
) -> Examination:
    try:
        question()
    except TargetError as error:
        return _said(subject, required, error)
    return Examination(subject, ExaminationResult.OK, required, observed)


def _said(subject: str, required: str, error: TargetError) -> Examination:
    return Examination(subject, ExaminationResult.FAILED, required, str(error), error.fix)


def _nodes(cluster: Cluster) -> Examination:
    required = "one that takes pods"
    try:
        nodes = cluster.objects(NODE)
    except TargetError as error:
        return Examination("nodes", ExaminationResult.UNKNOWN, required, str(error))
    ready = [node["metadata"]["name"] for node in nodes if _takes_pods(node)]
    if not ready:
        fix = "kubectl get nodes"
        return Examination("nodes", ExaminationResult.FAILED, required, "none", fix)
    return Examination("nodes", ExaminationResult.OK, required, ", ".join(ready))


def _takes_pods(node: Document) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    is_ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return is_ready and not node["spec"].get("unschedulable")


def _storage(cluster: Cluster) -> Examination:
    required = "a default StorageClass"
    try:
        classes = cluster.objects(_STORAGE_CLASS)
    except TargetError as error:
        return Examination("storage", ExaminationResult.UNKNOWN, required, str(error))
    defaults = [
        one["metadata"]["name"]
        for one in classes
        if (one["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if not defaults:
        fix = "kubectl get storageclass"
        return Examination("storage", ExaminationResult.FAILED, required, "none", fix)
    return Examination("storage", ExaminationResult.OK, required, ", ".join(defaults))
