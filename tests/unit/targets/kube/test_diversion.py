"""The objects of a diversion, and that what is led elsewhere is led back to where it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bookpayctl.targets.kube import diverted
from bookpayctl.targets.link import DiversionState, state_of
from bookpayctl.targets.toxic import Toxicity
from tests.support.manifests import pods, rendering, schemas
from tests.support.manifests.rendering import Rendered

Document = dict[str, Any]

DIVERTED = {
    "payments-gateway": "Deployment",
    "stripe-twin": "StatefulSet",
    "postgres": "StatefulSet",
}


@pytest.fixture(scope="module")
def standalone() -> Rendered:
    return rendering.render("standalone")


def service(rendered: Rendered, name: str) -> Document:
    found: Document = copy.deepcopy(rendered.named("Service", name))
    return found


def pod_of(rendered: Rendered, kind: str, name: str) -> Document:
    """A pod as its controller makes it."""
    made: Document = copy.deepcopy(rendering.pod_of(rendered.named(kind, name)))
    made["metadata"]["name"] = f"{name}-0"
    return made


def objects(rendered: Rendered, name: str) -> list[Document]:
    found = service(rendered, name)
    worker = pod_of(rendered, "Deployment", "payments-worker")
    backend = pod_of(rendered, DIVERTED[name], name)
    return [
        diverted.behind_service(found, "trial"),
        diverted.proxy_pod(found, backend, worker, "trial"),
        *diverted.policies(found, "trial"),
    ]


@pytest.mark.parametrize("name", DIVERTED)
def test_the_api_server_takes_every_object_of_a_diversion(standalone: Rendered, name: str) -> None:
    made = objects(standalone, name)

    assert [problem for document in made for problem in schemas.problems(document)] == []
    assert {document["metadata"]["labels"][diverted.LABEL] for document in made} == {name}
    assert {document["metadata"]["labels"]["bookpay.dev/environment"] for document in made} == {
        "trial"
    }


@pytest.mark.parametrize("name", DIVERTED)
def test_the_proxy_is_let_into_a_restricted_namespace(standalone: Rendered, name: str) -> None:
    proxy = objects(standalone, name)[1]
    template = {"metadata": proxy["metadata"], "spec": proxy["spec"]}
    as_workload = {
        "kind": "Deployment",
        "metadata": proxy["metadata"],
        "spec": {"template": template},
    }

    assert list(pods.restricted(Rendered("proxy", (as_workload,)))) == []


def test_the_proxy_listens_under_the_names_and_numbers_of_those_behind_it(
    standalone: Rendered,
) -> None:
    gateway, postgres = (objects(standalone, name)[1] for name in ("payments-gateway", "postgres"))

    (container,) = gateway["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP", "name": "http"}]
    assert "--forward=8080=payments-gateway-behind-diversion:8080" in container["args"]
    assert postgres["spec"]["containers"][0]["ports"] == [
        {"containerPort": 5432, "protocol": "TCP", "name": "postgres"}
    ]


def test_those_behind_it_are_found_as_before_without_an_address_where_they_had_none(
    standalone: Rendered,
) -> None:
    gateway, postgres = (objects(standalone, name)[0] for name in ("payments-gateway", "postgres"))

    assert gateway["spec"]["selector"] == {"app": "payments-gateway"}
    assert "clusterIP" not in gateway["spec"]
    assert postgres["spec"]["clusterIP"] == "None"
    assert postgres["spec"]["publishNotReadyAddresses"] is True


def merged(document: Document, change: Document) -> Document:
    """A JSON merge patch, as the API server applies it (RFC 7396)."""
    made = dict(document)
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict):
            made[key] = merged(made.get(key) or {}, value)
        else:
            made[key] = value
    return made


@pytest.mark.parametrize("name", DIVERTED)
def test_what_was_led_to_the_proxy_is_led_back_to_where_it_was(
    standalone: Rendered, name: str
) -> None:
    before = service(standalone, name)

    away = merged(before, diverted.diverted_change(before))
    back = diverted.restored_change(away)

    assert away["spec"]["selector"] == {diverted.LABEL: name}
    assert back is not None
    restored = merged(away, back)
    assert restored["spec"] == before["spec"]
    assert diverted.restored_change(restored) is None


def test_one_that_is_not_diverted_is_left_alone(standalone: Rendered) -> None:
    assert diverted.restored_change(service(standalone, "postgres")) is None


def test_policies_are_added_only_where_everything_is_denied_by_default(
    standalone: Rendered,
) -> None:
    there = [
        policy
        for policy in standalone.of_kind("NetworkPolicy")
        if policy["metadata"]["namespace"] == rendering.PAYMENTS
    ]
    ingress_alone = {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    of_some = {"spec": {"podSelector": {"matchLabels": {"a": "b"}},
                        "policyTypes": ["Ingress", "Egress"]}}  # fmt: skip

    assert diverted.is_denied_by_default(there)
    # There, a policy for all pods would shut what is open.
    assert not diverted.is_denied_by_default([])
    assert not diverted.is_denied_by_default([ingress_alone])
    assert not diverted.is_denied_by_default([of_some])


@pytest.mark.parametrize(
    ("port", "number"),
    [({"port": 80, "targetPort": "http"}, 8080), ({"port": 80, "targetPort": 81}, 81),
     ({"port": 80}, 80)],
)  # fmt: skip
def test_a_target_port_is_a_name_a_number_or_the_port_itself(port: Document, number: int) -> None:
    backend = {
        "metadata": {"name": "gateway-0"},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
    }

    assert diverted.container_port(port, backend) == number
    with pytest.raises(LookupError, match="gateway-0 has no port grpc"):
        diverted.container_port({"port": 80, "targetPort": "grpc"}, backend)


def test_what_a_proxy_tells_is_read_with_the_address_of_its_pod() -> None:
    told = {"toxic": "hold", "accepted": 3, "open_connections": 2, "peers": ["10.0.0.7"],
            "struck": 2, "reset": 0, "lost_bytes": 7, "to_service_bytes": 40,
            "to_caller_bytes": 99}  # fmt: skip

    assert state_of(told, "10.0.0.9") == DiversionState(
        "10.0.0.9",
        Toxicity.HOLD,
        3,
        2,
        ("10.0.0.7",),
        struck=2,
        reset=0,
        lost_bytes=7,
        to_service_bytes=40,
        to_caller_bytes=99,
    )
