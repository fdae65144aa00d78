"""Whether this account may do what is going to be done, asked before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.cluster_target import ClusterAct
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ForbiddenError
from bookpayctl.targets.kube.kinds import Kind

_REVIEW: Final = Kind(
    "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False
)
_ASKING_AT_ONCE: Final = 16
_WRITING: Final = ("get", "list", "create", "patch", "delete")
_NAMED_MAX: Final = 5

# Verb, group, resource, part.
_Words = tuple[str, str, str, str]
_IN_NAMESPACE: Final[Mapping[ClusterAct, tuple[_Words, ...]]] = {
    ClusterAct.DELETE: (("delete", "", "pods", ""),),
    ClusterAct.ROLL: (
        ("patch", "apps", "deployments", ""),
        ("patch", "apps", "statefulsets", ""),
    ),
    ClusterAct.DRAIN: (("create", "", "pods", "eviction"),),
    ClusterAct.DIVERT: tuple(
        (verb, group, resource, "")
        for group, resource in (
            ("", "pods"),
            ("", "services"),
            ("networking.k8s.io", "networkpolicies"),
        )
        for verb in ("list", "create", "patch", "delete")
    ),
    ClusterAct.WATCH_INSIDE: (("create", "", "pods", "exec"), ("get", "", "pods", "log")),
}
_IN_CLUSTER: Final[Mapping[ClusterAct, tuple[_Words, ...]]] = {
    ClusterAct.DRAIN: (("list", "", "nodes", ""), ("patch", "", "nodes", "")),
}


@dataclass(frozen=True, slots=True, order=True)
class Deed:
    """Something that an account may or may not do."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str

    def __str__(self) -> str:
        kind = f"{self.resource}{f'/{self.subresource}' if self.subresource else ''}"
        group = f" ({self.group})" if self.group else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {kind}{group}{where}"


def deeds_of(cluster: Cluster, documents: Iterable[Document]) -> set[Deed]:
    """What `up`, the commands after it and `down` do with these objects."""
    deeds: set[Deed] = set()
    namespaces = set()
    for document in documents:
        kind = cluster.kind_of(document)
        group = kind.api_version.rpartition("/")[0]
        namespace = document["metadata"].get("namespace", "") if kind.namespaced else ""
        namespaces.add(namespace)
        deeds |= {Deed(verb, group, kind.plural, "", namespace) for verb in _WRITING}
    for namespace in namespaces - {""}:
        deeds |= {
            *(Deed(verb, "", "pods", "", namespace) for verb in ("get", "list", "watch", "delete")),
            Deed("get", "", "pods", "log", namespace),
            Deed("create", "", "pods", "exec", namespace),
            Deed("create", "", "pods", "portforward", namespace),
            Deed("list", "", "events", "", namespace),
            Deed("list", "discovery.k8s.io", "endpointslices", "", namespace),
            *(
                Deed(verb, "", "persistentvolumeclaims", "", namespace)
                for verb in ("list", "delete")
            ),
        }
    return deeds


def deeds_of_acts(acts: Iterable[ClusterAct], namespaces: Iterable[str]) -> set[Deed]:
    """What drills do beyond that, in each of these namespaces and, where it is so, to nodes."""
    deeds: set[Deed] = set()
    for act in acts:
        for namespace in namespaces:
            deeds |= {Deed(*words, namespace) for words in _IN_NAMESPACE[act]}
        deeds |= {Deed(*words, "") for words in _IN_CLUSTER.get(act, ())}
    return deeds


def refuse_without(cluster: Cluster, deeds: Iterable[Deed]) -> None:
    """Raise when one is not permitted.

    Raises:
        ForbiddenError: the message names the first few; nothing was done.
    """
    ordered = sorted(deeds)
    with ThreadPoolExecutor(max_workers=_ASKING_AT_ONCE) as pool:
        allowed = list(pool.map(lambda deed: _may(cluster, deed), ordered))
    missing = [str(deed) for deed, may in zip(ordered, allowed, strict=True) if not may]
    if missing:
        more = f", and {len(missing) - _NAMED_MAX} more" if len(missing) > _NAMED_MAX else ""
        raise ForbiddenError(
            f"the account of context {cluster.context!r} may not"
            f" {'; '.join(missing[:_NAMED_MAX])}{more}; nothing was changed",
            status=403,
        )


def _may(cluster: Cluster, deed: Deed) -> bool:
    attributes = {
        "verb": deed.verb,
        "group": deed.group,
        "resource": deed.resource,
        "subresource": deed.subresource,
        "namespace": deed.namespace,
    }
    review = cluster.create(
        _REVIEW,
        {
            "apiVersion": _REVIEW.api_version,
            "kind": _REVIEW.kind,
            "spec": {"resourceAttributes": attributes},
        },
    )
    return bool((review.get("status") or {}).get("allowed"))
