"""Which pod a way leads to."""

from __future__ import annotations

from bookpayctl.targets.kube.reach.endpoints import pod_of_host, ready_places
from bookpayctl.targets.kube.reach.ways import is_inside, service_of_host


def endpoint(name: str, conditions: dict[str, bool] | None) -> dict[str, object]:
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": conditions}


def test_only_pods_that_take_connections_are_chosen() -> None:
    found = ready_places(
        {
            "ports": [{"port": 8080}],
            "endpoints": [
                endpoint("a", {"ready": True}),
                endpoint("b", {"ready": False}),
                endpoint("c", None),
                {"conditions": {"ready": True}},
            ],
        }
    )
    assert found == [("a", 8080), ("c", 8080)]


def test_a_slice_without_endpoints_or_ports_leads_nowhere() -> None:
    assert ready_places({"ports": None, "endpoints": [endpoint("a", None)]}) == []
    assert ready_places({"ports": [{"port": 1}], "endpoints": None}) == []


def test_a_broker_is_found_by_the_address_it_gives_itself() -> None:
    assert pod_of_host("kafka-0.kafka.kafka-system.svc", "x") == ("kafka-system", "kafka-0")
    assert pod_of_host("kafka-0", "x") == ("x", "kafka-0")


def test_an_address_of_the_cluster_is_told_from_one_of_the_world() -> None:
    assert is_inside("orders-service.bookstore-platform-payments.svc")
    assert not is_inside("api.stripe.com")
    assert service_of_host("a.b.svc.cluster.local") == ("a", "b")
