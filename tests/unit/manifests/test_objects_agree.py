"""What objects say of each other and of the code is true in every overlay.

Each rule is also seen to refuse something: a rule that was never red proves nothing.
"""

from __future__ import annotations

import copy
from typing import Final

import pytest

from runtime.domain.names import Service
from tests.support.manifests import gateway, names, operators, pods, references
from tests.support.manifests.rendering import KAFKA, OVERLAYS, Rendered, full_name, render
from tests.support.manifests.spoiling import BAD, Rule, Spoil
from tests.support.manifests.spoiling_operators import BAD_FOR_OPERATORS

RULES: Final[tuple[Rule, ...]] = (
    *references.RULES,
    *pods.RULES,
    *names.RULES,
    *operators.RULES,
    *gateway.RULES,
)
WRONG: Final = (*BAD, *BAD_FOR_OPERATORS)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_holds(rule: Rule, overlay: str) -> None:
    assert list(rule(render(overlay))) == []


@pytest.mark.parametrize(
    ("rule", "overlay", "spoil", "complaint"),
    WRONG,
    ids=[f"{rule.__name__}-{number}" for number, (rule, _, _, _) in enumerate(WRONG)],
)
def test_each_rule_refuses_what_is_wrong(
    rule: Rule, overlay: str, spoil: Spoil, complaint: str
) -> None:
    good = render(overlay)
    bad = Rendered(good.name, copy.deepcopy(good.objects))

    spoil(bad)

    assert complaint in "\n".join(rule(bad))


def test_every_rule_was_seen_to_refuse_something() -> None:
    assert {rule.__name__ for rule, _, _, _ in WRONG} == {rule.__name__ for rule in RULES}


def test_the_standalone_stack_fits_on_two_cores() -> None:
    cores, size_bytes = pods.requested(render("standalone"))

    assert cores < 1
    assert size_bytes < 3.5 * 2**30


def test_every_service_of_the_design_is_there_in_its_number() -> None:
    base = {
        full_name(workload)[1]: workload["spec"].get("replicas")
        for workload in render("standalone").of_kind("Deployment")
    }

    assert base == {
        "orders-service": 2,
        "orders-service-consumer": 2,
        Service.PUBLISHER: 3,
        Service.WORKER: 2,
        Service.GATEWAY: 2,
        Service.RECEIVER: 2,
        Service.RECONCILER: 2,
        Service.NOTIFIER: 1,
    }


def test_production_keeps_three_of_what_holds_state() -> None:
    prod = render("prod")
    database = prod.named("Cluster", "bookstore-platform")["spec"]

    pools = {full_name(pool)[1]: pool["spec"]["replicas"] for pool in prod.of_kind("KafkaNodePool")}
    claims = [
        volume
        for pool in prod.of_kind("KafkaNodePool")
        for volume in pool["spec"]["storage"]["volumes"]
    ]

    assert pools == {"controller": 3, "broker": 3}
    assert {(claim["type"], claim["deleteClaim"]) for claim in claims} == {
        ("persistent-claim", False)
    }
    assert database["instances"] == 3
    assert database["postgresql"]["synchronous"]["dataDurability"] == "required"
    assert (
        prod.named("Kafka", "bookstore-platform", KAFKA)["spec"]["kafka"]["config"][
            "min.insync.replicas"
        ]
        == 2
    )


def test_a_header_and_an_address_are_asked_for_by_two_policies() -> None:
    policies = render("prod").of_kind("AuthorizationPolicy")

    denying = [policy["spec"] for policy in policies if policy["spec"]["action"] == "DENY"]
    at_the_gateway = [spec for spec in denying if spec["selector"]["matchLabels"]["istio"]]

    assert len(at_the_gateway) == 2
    # A rule without ports would deny what is not HTTP as well.
    assert all(to["operation"]["ports"] for spec in denying for to in spec["rules"][0]["to"])
    assert [("when" in spec["rules"][0], "from" in spec["rules"][0]) for spec in denying] in (
        [(True, False), (False, True)],
        [(False, True), (True, False)],
    )
