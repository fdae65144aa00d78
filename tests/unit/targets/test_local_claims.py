"""Of many claims on one server, the first one counts until its own release."""

from __future__ import annotations

import json
from typing import Any

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.local.ownership.claim import CLAIM, RELEASE, Claimant, owner_of, refused
from bookpayctl.targets.local.ownership.servers import shared_servers
from tests.support.documents import ENVIRONMENT

ANNE = Claimant("11111111-1111-4111-8111-111111111111", "shop", "/srv/anne", "one")
BERT = Claimant("22222222-2222-4222-8222-222222222222", "shop", "/srv/bert", "two")


def line(kind: str, who: Claimant) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(who.document(kind))
    return document


def test_a_server_without_claims_is_nobodys() -> None:
    assert owner_of([]) is None


def test_the_first_claim_counts() -> None:
    assert owner_of([line(CLAIM, ANNE), line(CLAIM, BERT)]) == ANNE


def test_who_came_too_late_does_not_inherit() -> None:
    lines = [line(CLAIM, ANNE), line(CLAIM, BERT), line(RELEASE, BERT), line(RELEASE, ANNE)]

    assert owner_of(lines) is None
    assert owner_of([*lines, line(CLAIM, BERT)]) == BERT


def test_nobody_releases_what_is_anothers() -> None:
    assert owner_of([line(CLAIM, ANNE), line(RELEASE, BERT)]) == ANNE


def test_an_owner_that_moved_is_found_where_it_is_now() -> None:
    moved = Claimant(ANNE.environment_id, "shop", "/srv/elsewhere", "one")

    assert owner_of([line(CLAIM, ANNE), line(CLAIM, moved)]) == moved


def test_what_is_no_claim_is_passed_over() -> None:
    broken: list[dict[str, Any]] = [{}, {"kind": CLAIM}, {"kind": CLAIM, "environment_id": 1}]

    assert owner_of([*broken, line(CLAIM, ANNE), {"kind": "note"}]) == ANNE


def test_the_refusal_names_the_owner_and_the_way_out() -> None:
    error = refused("the Kafka at h:1", ANNE, "delete its topic")

    assert "environment 'shop' in /srv/anne on one" in str(error)
    assert "down --purge --name shop" in error.fix
    assert error.code == 6


def test_only_a_server_of_our_own_record_is_known() -> None:
    kafka, dsn = KafkaServers(ENVIRONMENT.kafka_bootstrap_servers), "postgresql://other@h/db"

    assert shared_servers(dsn, kafka, None, ENVIRONMENT).known == {kafka.bootstrap_servers}
    assert shared_servers(dsn, kafka, None, None).known == frozenset()
