"""Upstream's files as this tool applies them: its label, no registry needed, in a namespace. Pure.

What is changed is changed in the documents, never in text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from bookpayctl.targets.kube.manifests import containers_of
from bookpayctl.targets.kube.operators.choice import INSTALLED_FOR_LABEL
from bookpayctl.targets.kube.operators.pins import Operator

Document = dict[str, Any]

CRD: Final = "CustomResourceDefinition"

# Definitions and namespaces before what uses them; who acts comes when all it may do is there.
_FIRST: Final = (CRD, "Namespace")
_LAST: Final = ("Deployment",)

STRIMZI: Final = "strimzi"
STRIMZI_NAMESPACE: Final = "strimzi"

# Roles that upstream binds in one namespace. Ours of Kafka is made and removed with a stack, so
# they are bound in all of them, as upstream's documentation says for an operator that watches all.
_WATCHED_ROLES: Final = frozenset(
    {
        "strimzi-cluster-operator-namespaced",
        "strimzi-cluster-operator-watched",
        "strimzi-entity-operator",
    }
)
_STRIMZI_VARIABLES: Final = (
    {"name": "STRIMZI_NAMESPACE", "value": "*"},
    # Without it the pods of a Kafka are refused by a restricted namespace.
    {"name": "STRIMZI_POD_SECURITY_PROVIDER_CLASS", "value": "restricted"},
)
_CLUSTER_WIDE: Final = frozenset({CRD, "ClusterRole", "ClusterRoleBinding", "Namespace"})


def operator_documents(operator: Operator, texts: list[str], environment: str) -> list[Document]:
    """Everything of an operator, labelled, in the order in which it is applied."""
    documents = [
        document for text in texts for document in yaml.load_all(text, yaml.CSafeLoader) if document
    ]
    if operator.name == STRIMZI:
        documents = list(_placed(documents))
    for document in documents:
        labels = document["metadata"].setdefault("labels", {})
        labels[INSTALLED_FOR_LABEL] = environment
        for container in containers_of(document):
            # The tag is a release's: an image that was loaded into the nodes is the same.
            if container.get("imagePullPolicy") == "Always":
                container["imagePullPolicy"] = "IfNotPresent"
    return sorted(documents, key=_turn)


def _turn(document: Document) -> int:
    kind = document["kind"]
    if kind in _FIRST:
        return _FIRST.index(kind)
    return len(_FIRST) + (kind in _LAST)


def _placed(documents: list[Document]) -> Iterator[Document]:
    """Strimzi in a namespace of its own, watching all."""
    yield {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": STRIMZI_NAMESPACE},
    }
    for document in documents:
        for subject in document.get("subjects") or ():
            subject["namespace"] = STRIMZI_NAMESPACE
        watched = document.get("roleRef", {}).get("name") in _WATCHED_ROLES
        if document["kind"] == "RoleBinding" and watched:
            # Upstream has a ClusterRoleBinding of one of these names, for another role.
            document["kind"] = "ClusterRoleBinding"
            document["metadata"]["name"] = f"{document['roleRef']['name']}-everywhere"
        if document["kind"] not in _CLUSTER_WIDE:
            document["metadata"]["namespace"] = STRIMZI_NAMESPACE
        for container in containers_of(document):
            own = {variable["name"] for variable in _STRIMZI_VARIABLES}
            kept = [one for one in container.get("env", ()) if one["name"] not in own]
            container["env"] = [*kept, *(dict(variable) for variable in _STRIMZI_VARIABLES)]
        yield document
