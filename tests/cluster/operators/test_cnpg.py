"""components/cnpg with the real CloudNativePG: healthy, and what a lost primary costs.

Three instances of which one standby confirms every commit, as in production: with fewer there is
nobody to take over, or nobody who has everything.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from bookpayctl.clients.database import reading
from bookpayctl.drills.postgres_failover import AT_ONCE, IN_ORDER
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import NODE, POD, SECRET, Kind
from bookpayctl.targets.kube.postgres_instances import CLUSTER, read_instances
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine, verdicts
from tests.support.lab import ROOT, lab_command
from tests.support.operators import (
    CNPG,
    SPACE,
    asked_for,
    compose,
    condition,
    lab_of,
    stack,
    start,
    wait_for,
    within_reach,
)
from tests.support.waiting import eventually

pytestmark = [asked_for, pytest.mark.acceptance]

DATABASE_ROLE: Final = Kind("postgresql.cnpg.io/v1", "DatabaseRole", "databaseroles")
PUBLICATION: Final = Kind("postgresql.cnpg.io/v1", "Publication", "publications")
NAME: Final = "bookstore-platform"
# A Debian suite and a major: the one whose server is the wheel's.
LABS_POSTGRES: Final = ("forky", "18")


def production() -> dict[str, Any]:
    """What overlays/prod says of PostgreSQL, but for what only a large cluster has."""
    text = (ROOT / "manifests" / "overlays" / "prod" / "postgres.yaml").read_text()
    spec: dict[str, Any] = yaml.safe_load(text)["spec"]
    for name in ("storage", "walStorage", "resources"):
        del spec[name]
    spec["postgresql"]["parameters"]["max_slot_wal_keep_size"] = "1GB"
    return spec


def postgres_image(cluster: TestCluster, api: Cluster) -> str | None:
    """The one that was named, or the lab's; None for the one of the manifests."""
    named = os.environ.get("BOOKPAY_TEST_POSTGRES_IMAGE")
    lab = lab_of(cluster)
    if named or lab is None:
        return named
    if not labs_postgres(api):
        with pytest.MonkeyPatch.context() as patch:
            # A suite in the making, on a mirror that stands still; signatures are checked.
            patch.setenv("APT_OPTS", "-o Acquire::Check-Valid-Until=false")
            lab_command(lab, "pg", *LABS_POSTGRES)
    return eventually(lambda: labs_postgres(api), "the node tells of the image", 180.0)[0]


def labs_postgres(api: Cluster) -> list[str]:
    """Images of PostgreSQL that lie in the node, the newest first."""
    names = (
        name
        for node in api.objects(NODE)
        for image in node["status"].get("images") or []
        for name in image.get("names") or []
    )
    return sorted((name for name in names if "/postgresql:" in name), reverse=True)


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster, api: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    start(cluster_variables, CNPG)
    image = postgres_image(cluster_variables, api)
    folder = tmp_path_factory.mktemp("cnpg")
    change = {
        "apiVersion": CLUSTER.api_version,
        "kind": CLUSTER.kind,
        "metadata": {"name": NAME},
        "spec": {**production(), **({} if image is None else {"imageName": image})},
    }
    overlay = compose(
        folder, database="cnpg", patches=[({"kind": "Cluster", "name": NAME}, change)]
    )
    with stack(cluster_variables, folder / "home", overlay) as command:
        yield command


def is_whole(found: dict[str, Any]) -> bool:
    return condition(found, "Ready") == "True" and found["status"].get("readyInstances") == 3


def test_it_is_healthy_and_the_services_work_on_it(shop: CommandLine, api: Cluster) -> None:
    wait_for(api, CLUSTER, NAME, is_whole, seconds=300.0)

    instances = api.objects(POD, SPACE, labels=f"cnpg.io/cluster={NAME}")
    with within_reach(shop) as environment, reading(environment.dsn) as conn:
        settings = dict(
            conn.execute(
                "SELECT name, setting FROM pg_settings"
                " WHERE name IN ('max_connections', 'synchronous_standby_names', 'wal_level')"
            ).fetchall()
        )

    assert [pod["metadata"]["labels"]["bookpay.dev/server"] for pod in instances] == [
        "postgres"
    ] * 3
    assert settings["max_connections"] == "300"
    assert settings["wal_level"] == "logical"
    assert settings["synchronous_standby_names"].startswith("ANY 1 (")
    assert shop.ask("status")["exit"]["code"] == 0
    assert shop.ask("check")["exit"]["code"] == 0


def test_a_role_that_reads_the_log_and_a_publication_of_inserts_are_made(
    shop: CommandLine, api: Cluster
) -> None:
    """components/debezium's, without Debezium: its Kafka Connect needs Strimzi."""
    text = (ROOT / "manifests" / "components" / "debezium" / "database.yaml").read_text()
    wanted = [
        doc for doc in yaml.safe_load_all(text) if doc["kind"] in ("DatabaseRole", "Publication")
    ]
    for document in [cdc_secret(), *wanted]:
        api.apply(document)
    try:
        for kind, name in ((DATABASE_ROLE, "bookpay-cdc"), (PUBLICATION, "outbox-cdc")):
            wait_for(api, kind, name, lambda found: (found.get("status") or {}).get("applied"))
        with within_reach(shop) as environment, reading(environment.dsn) as conn:
            role = conn.execute(
                "SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = 'bookpay_cdc'"
            ).fetchone()
            published = conn.execute(
                "SELECT p.pubinsert, p.pubupdate, p.pubdelete, t.schemaname, t.tablename"
                " FROM pg_publication p JOIN pg_publication_tables t USING (pubname)"
                " WHERE p.pubname = 'outbox_cdc'"
            ).fetchall()
    finally:
        for document in [*wanted, cdc_secret()]:
            kind = api.kind_of(document)
            api.delete(kind, document["metadata"]["name"], SPACE)

    assert role == (True, False)
    assert published == [(True, False, False, "bookstore_platform", "outbox")]


def cdc_secret() -> dict[str, Any]:
    values = {"username": "bookpay_cdc", "password": secrets.token_hex(16)}
    return {
        "apiVersion": "v1",
        "kind": SECRET.kind,
        "metadata": {"name": "bookpay-cdc", "namespace": SPACE},
        "type": "kubernetes.io/basic-auth",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()},
    }


@pytest.mark.parametrize("point", [AT_ONCE, IN_ORDER])
def test_a_lost_primary_loses_no_acknowledged_order(
    shop: CommandLine, api: Cluster, point: str
) -> None:
    wait_for(api, CLUSTER, NAME, is_whole, seconds=300.0)
    before = read_instances(api, (SPACE,))

    report = shop.ask("drill", "postgres-failover", "--at", point)

    after = read_instances(api, (SPACE,))
    found = verdicts(report)
    assert before is not None
    assert after is not None
    assert (after.primary != before.primary, after.instances) == (True, 3)
    assert {name: verdict for name, verdict in found.items() if "/" in name} == {
        f"postgres-failover/{name}": "holds"
        for name in (
            *("steady-state", "promoted", "timeline", "orders-answered", "nobody-hung"),
            *("accepted-again", "whole-again", "logs-say-it-once"),
            *("orders-placed", "undone", "at-rest"),
        )
    }, report
    others = {name: verdict for name, verdict in found.items() if verdict != "holds"}
    assert set(others.values()) == {"vacuous"}, others
    # Nobody put poison into a topic; whether anybody was cancelled depends on what came before.
    assert {"I28"} <= set(others) <= {"I14", "I15", "I28"}
    assert report["exit"]["code"] == 0
