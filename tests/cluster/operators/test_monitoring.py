"""components/monitoring with the real prometheus-operator: scraped, evaluated, awake in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from bookpayctl.targets.kube.cluster import Cluster
from tests.support import prometheus
from tests.support.alerts import rule_groups
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.operators import (
    MONITORING,
    SERVICES,
    SPACE,
    asked_for,
    compose,
    pods_of,
    stack,
    start,
)
from tests.support.waiting import eventually

pytestmark = [asked_for, pytest.mark.acceptance]

OK: Final = ("ok", "")
GROUPS: Final = {group["name"]: group["rules"] for group in rule_groups()}
RULES: Final = {rule.get("alert") or rule["record"] for rules in GROUPS.values() for rule in rules}


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    start(cluster_variables, MONITORING)
    folder = tmp_path_factory.mktemp("monitoring")
    with stack(cluster_variables, folder / "home", compose(folder, "monitoring")) as command:
        yield command


def test_every_pod_of_every_service_is_scraped(shop: CommandLine, api: Cluster) -> None:
    del shop
    wanted = {service: [1] * len(pods_of(api, service)) for service in SERVICES}

    eventually(
        lambda: prometheus.up_of(api, SPACE) == wanted,
        lambda: f"up is {prometheus.up_of(api, SPACE)}, wanted {wanted}",
        prometheus.SCRAPED_SECONDS_MAX,
    )

    assert all(wanted.values())


def test_every_rule_is_loaded_and_can_be_evaluated(shop: CommandLine, api: Cluster) -> None:
    del shop

    eventually(
        lambda: set(health_of_rules(api)) == RULES and set(health_of_rules(api).values()) == {OK},
        lambda: f"{health_of_rules(api)}",
        prometheus.SCRAPED_SECONDS_MAX,
    )


def health_of_rules(api: Cluster) -> dict[str, tuple[str, str]]:
    """Rule -> whether it could be evaluated, and the error if not."""
    return {
        rule["name"]: (rule["health"], rule.get("lastError", ""))
        for group in GROUPS
        for rule in prometheus.rules_of(api, group)
    }


def test_nobody_is_woken_by_a_stack_that_is_well(shop: CommandLine, api: Cluster) -> None:
    """What an alert asks for is there, with the labels that it asks for."""
    shop.ask("order", "place", "--wait", "paid")
    measured = prometheus.ask(api, f'count by (state) (payments_open{{namespace="{SPACE}"}})')

    firing = [
        rule["name"]
        for group in GROUPS
        for rule in prometheus.rules_of(api, group)
        if rule.get("state") == "firing"
    ]

    assert {sample["metric"]["state"] for sample in measured} >= {"pending", "charging", "parked"}
    assert firing == []


def test_an_alert_acts_on_what_happens(
    shop: CommandLine, api: Cluster, cluster_variables: TestCluster
) -> None:
    """Nobody leads, so a page is due: pending at once, and firing after its minute."""
    del shop
    deployment = ("-n", SPACE, "scale", "deployment", "outbox-publisher")
    leading = prometheus.ask(api, "sum(bookpay_outbox_publisher_leading)")
    assert [sample["value"][1] for sample in leading] == ["1"]

    cluster_variables.kubectl(*deployment, "--replicas=0")
    try:
        alert = eventually(lambda: awake(api, "OutboxPublisherNotLeading"), "it is due", 120.0)
    finally:
        cluster_variables.kubectl(*deployment, "--replicas=3")
    eventually(lambda: not awake(api, "OutboxPublisherNotLeading"), "it is over", 120.0)

    assert alert[0]["labels"] == {"severity": "page"}


def awake(api: Cluster, name: str) -> list[dict[str, Any]]:
    """The rule of that name, while its alert is pending or firing."""
    return [
        rule
        for rule in prometheus.rules_of(api, "bookpay")
        if rule["name"] == name and rule["state"] != "inactive"
    ]


def test_a_failover_is_refused_where_no_operator_keeps_postgresql(shop: CommandLine) -> None:
    done = shop.run("drill", "postgres-failover")

    assert done.returncode == 6
    assert "no operator keeps PostgreSQL here" in done.stdout + done.stderr
