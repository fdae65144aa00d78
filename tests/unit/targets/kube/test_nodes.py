"""Nodes, evictions and revisions: what documents and answers of the API server mean."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest

from bookpayctl.targets.cluster_target import Eviction, Node
from bookpayctl.targets.kube import nodes
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.kinds import DEPLOYMENT, STATEFUL_SET, Kind
from bookpayctl.targets.kube.rolling import revision_of
from bookpayctl.targets.kube.workloads import Workload
from tests.unit.targets.kube.documents import pod

Document = dict[str, Any]


class AnsweringApi:
    """An API server that gives one answer to everything, and remembers what it was asked."""

    def __init__(self, status: int, answer: Document) -> None:
        self.rest_client = self
        self.asked: list[tuple[str, str, Any]] = []
        self.status, self.data = status, json.dumps(answer).encode()

    def param_serialize(self, method: str, path: str, **_more: object) -> tuple[Any, ...]:
        return method, path, {}, None, None

    def request(self, method: str, url: str, *, body: Any, **_more: object) -> AnsweringApi:
        self.asked.append((method, url, body))
        return self

    def read(self) -> bytes:
        return self.data


def answering(status: int, answer: Document | None = None) -> tuple[Cluster, AnsweringApi]:
    api = AnsweringApi(status, answer or {})
    return Cluster(api, "lab"), api


@pytest.mark.parametrize(
    ("status", "eviction"),
    [
        (HTTPStatus.CREATED, Eviction.TAKEN),
        (HTTPStatus.TOO_MANY_REQUESTS, Eviction.HELD),
        (HTTPStatus.NOT_FOUND, Eviction.GONE),
        # Another one has taken its name: not the one that was meant.
        (HTTPStatus.CONFLICT, Eviction.GONE),
    ],
)
def test_an_eviction_is_asked_for_once_and_its_answer_says_what_became_of_it(
    status: int, eviction: Eviction
) -> None:
    cluster, api = answering(status)

    assert nodes.evict(cluster, pod("payments-worker-a")) is eviction

    ((method, path, body),) = api.asked
    assert method == "POST"
    assert path.endswith("/namespaces/bookstore-platform-payments/pods/payments-worker-a/eviction")
    assert body["deleteOptions"]["preconditions"]["uid"] == "0123456789abcdef"


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_an_eviction_that_cannot_be_asked_for_is_an_error(status: int) -> None:
    cluster, _ = answering(status)

    with pytest.raises(ClusterError):
        nodes.evict(cluster, pod("payments-worker-a"))


@pytest.mark.parametrize("schedulable", [True, False])
def test_a_node_is_cordoned_by_one_field(schedulable: bool) -> None:
    cluster, api = answering(HTTPStatus.OK)

    nodes.set_schedulable(cluster, "one", schedulable=schedulable)

    ((method, path, body),) = api.asked
    assert (method, path) == ("PATCH", "/api/v1/nodes/one")
    assert body == {"spec": {"unschedulable": None if schedulable else True}}


def test_a_node_carries_the_pods_that_are_placed_there() -> None:
    listed = {
        "items": [
            {"metadata": {"name": "one"}, "spec": {}},
            {"metadata": {"name": "two"}, "spec": {"unschedulable": True}},
        ]
    }
    cluster, _ = answering(HTTPStatus.OK, listed)
    placed = [pod(name) for name in ("b", "a", "pending")]
    for found, node in zip(placed, ("one", "one", None), strict=True):
        found["spec"] |= {} if node is None else {"nodeName": node}

    assert nodes.nodes_with(cluster, placed) == [
        Node("one", schedulable=True, processes=("a", "b")),
        Node("two", schedulable=False, processes=()),
    ]


@pytest.mark.parametrize(
    ("kind", "document", "revision"),
    [
        (
            DEPLOYMENT,
            {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "4"}}},
            "4",
        ),
        (DEPLOYMENT, {"metadata": {}}, ""),
        (
            STATEFUL_SET,
            {"metadata": {}, "status": {"updateRevision": "postgres-7d"}},
            "postgres-7d",
        ),
        (STATEFUL_SET, {"metadata": {}}, ""),
    ],
)
def test_a_revision_is_what_its_controller_says(
    kind: Kind, document: Document, revision: str
) -> None:
    assert revision_of(Workload(kind, document)) == revision
