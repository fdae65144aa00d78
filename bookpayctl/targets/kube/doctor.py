"""What could stop `up` in a cluster, found before it does. Nothing is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube import manifests, permissions
from bookpayctl.targets.kube.cluster import Cluster, Document, open_cluster
from bookpayctl.targets.kube.contexts import refuse_context
from bookpayctl.targets.kube.kinds import NODE, Kind
from bookpayctl.targets.kube.options import read_options
from bookpayctl.targets.kube.ownership import refuse_foreign
from bookpayctl.targets.platform import Examination, ExaminationResult
from bookpayctl.targets.settings import Value

_STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

# Sidecar containers, sleep as a lifecycle handler, and what the manifests' admission labels name.
MINOR_MIN = 34


def examine(values: Mapping[str, Value]) -> list[Examination]:
    """Look at everything; what needs a cluster is unknown when there is none."""
    options = read_options(values, os.environ)
    found = [_kubectl()]
    try:
        cluster = open_cluster(options.context)
        version = _version(cluster)
    except TargetError as error:
        return [*found, _said("cluster", "an API server that answers", error)]
    documents = manifests.personal(
        manifests.render(manifests.overlay_folder(options.overlay)), options
    )
    spaces = [doc["metadata"]["name"] for doc in documents if doc["kind"] == "Namespace"]
    return [
        *found,
        version,
        _asked(
            "context",
            "kind's, or allowed",
            lambda: refuse_context(cluster, options.allowed),
            f"{cluster.context} at {cluster.server}",
        ),
        _asked(
            "namespaces",
            "free, or this environment's",
            lambda: refuse_foreign(cluster, spaces, options.name),
            ", ".join(spaces),
        ),
        _asked(
            "permissions",
            "all that up, down and drills do",
            lambda: permissions.refuse_without(cluster, permissions.deeds_of(cluster, documents)),
            "all granted",
        ),
        _nodes(cluster),
        _storage(cluster),
    ]


def _kubectl() -> Examination:
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
