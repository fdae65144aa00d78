"""What is changed in upstream's files before they are applied, and in which order all goes."""

from __future__ import annotations

from typing import Any

import pytest

from bookpayctl.targets.kube.kinds import CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT, NAMESPACE, Kind
from bookpayctl.targets.kube.operators.choice import INSTALLED_FOR_LABEL
from bookpayctl.targets.kube.operators.install import kinds_of
from bookpayctl.targets.kube.operators.pins import pinned_operators
from bookpayctl.targets.kube.operators.removal import in_removal_order
from bookpayctl.targets.kube.operators.upstream import operator_documents

CNPG, STRIMZI = pinned_operators()

DEPLOYMENT_TEXT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: strimzi-cluster-operator, labels: {app: strimzi}}
spec:
  template:
    metadata: {labels: {app: strimzi}}
    spec:
      containers:
        - name: operator
          image: quay.io/strimzi/operator:1.2.0
          imagePullPolicy: Always
          env:
            - name: STRIMZI_NAMESPACE
              valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
            - {name: STRIMZI_OPERATION_TIMEOUT_MS, value: "300000"}
"""
BINDINGS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: strimzi-cluster-operator}
subjects: [{kind: ServiceAccount, name: strimzi-cluster-operator, namespace: myproject}]
roleRef: {kind: ClusterRole, name: strimzi-cluster-operator-namespaced}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: strimzi-cluster-operator-leader-election}
subjects: [{kind: ServiceAccount, name: strimzi-cluster-operator, namespace: myproject}]
roleRef: {kind: ClusterRole, name: strimzi-cluster-operator-leader-election}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: strimzi-cluster-operator}
subjects: [{kind: ServiceAccount, name: strimzi-cluster-operator, namespace: myproject}]
roleRef: {kind: ClusterRole, name: strimzi-cluster-operator-global}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kafkas.kafka.strimzi.io}
spec:
  group: kafka.strimzi.io
  scope: Namespaced
  names: {kind: Kafka, plural: kafkas}
  versions:
    - {name: v1, served: true, storage: true}
    - {name: v1beta2, served: false, storage: false}
"""


def strimzi() -> list[dict[str, Any]]:
    return operator_documents(STRIMZI, [BINDINGS, DEPLOYMENT_TEXT, CRD], "shop")


def by_name(kind: str, name: str) -> dict[str, Any]:
    (found,) = (
        document
        for document in strimzi()
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    )
    return found


def test_definitions_come_first_then_namespaces_and_who_acts_comes_last() -> None:
    kinds = [document["kind"] for document in strimzi()]

    assert kinds[:2] == ["CustomResourceDefinition", "Namespace"]
    assert kinds[-1] == "Deployment"


def test_everything_says_for_whom_it_was_installed() -> None:
    labels = [document["metadata"]["labels"][INSTALLED_FOR_LABEL] for document in strimzi()]

    assert set(labels) == {"shop"}
    # Pods are the operator's, and a changed label would replace them.
    template = by_name("Deployment", "strimzi-cluster-operator")["spec"]["template"]
    assert template["metadata"]["labels"] == {"app": "strimzi"}


def test_images_that_were_loaded_into_the_nodes_are_not_asked_of_a_registry() -> None:
    (document,) = operator_documents(CNPG, [DEPLOYMENT_TEXT], "shop")

    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert "namespace" not in document["metadata"]


def test_strimzi_lives_in_its_own_namespace_and_watches_all() -> None:
    deployment = by_name("Deployment", "strimzi-cluster-operator")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert deployment["metadata"]["namespace"] == "strimzi"
    assert container["env"] == [
        {"name": "STRIMZI_OPERATION_TIMEOUT_MS", "value": "300000"},
        {"name": "STRIMZI_NAMESPACE", "value": "*"},
        {"name": "STRIMZI_POD_SECURITY_PROVIDER_CLASS", "value": "restricted"},
    ]


def test_strimzis_rights_reach_where_it_watches_and_none_is_lost() -> None:
    bound = {
        (document["kind"], document["metadata"]["name"]): (
            document["roleRef"]["name"],
            document["metadata"].get("namespace"),
            [subject["namespace"] for subject in document["subjects"]],
        )
        for document in strimzi()
        if document["kind"].endswith("Binding")
    }

    assert bound == {
        ("ClusterRoleBinding", "strimzi-cluster-operator-namespaced-everywhere"): (
            "strimzi-cluster-operator-namespaced",
            None,
            ["strimzi"],
        ),
        ("RoleBinding", "strimzi-cluster-operator-leader-election"): (
            "strimzi-cluster-operator-leader-election",
            "strimzi",
            ["strimzi"],
        ),
        ("ClusterRoleBinding", "strimzi-cluster-operator"): (
            "strimzi-cluster-operator-global",
            None,
            ["strimzi"],
        ),
    }


def test_a_definition_makes_the_kinds_that_are_served() -> None:
    definition = by_name("CustomResourceDefinition", "kafkas.kafka.strimzi.io")

    assert kinds_of(definition) == [Kind("kafka.strimzi.io/v1", "Kafka", "kafkas")]


def test_webhooks_go_before_their_server_and_definitions_after_everything() -> None:
    webhook = Kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "v", False)
    role = Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False)
    kinds = [CUSTOM_RESOURCE_DEFINITION, NAMESPACE, role, DEPLOYMENT, webhook]

    assert in_removal_order(kinds) == [
        webhook,
        DEPLOYMENT,
        role,
        NAMESPACE,
        CUSTOM_RESOURCE_DEFINITION,
    ]


@pytest.mark.parametrize("operator", pinned_operators(), ids=lambda operator: operator.name)
def test_an_operators_folder_bears_its_release(operator: Any) -> None:
    release = operator.title.rpartition(" ")[2]

    assert operator.folder.endswith(f"-{release}")
    assert release in operator.at
