"""Versions, schema and signing secrets: what an operator is told of each, and what nobody knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookpayctl.checks.operations import (
    schema_is_current,
    versions_are_supported,
    webhook_secret_is_young,
)
from bookpayctl.checks.operations.versions_are_supported import Versions, build_of
from bookpayctl.clients.kafka_versions import BrokerRelease
from bookpayctl.report.verdict import Verdict
from bookpayctl.targets.schema_version import SchemaVersion, compare
from bookpayctl.targets.signing_secrets import SigningSecrets, accepted, written_at
from runtime.sql import Migration

BROKER = BrokerRelease("broker 1", (4, 4))
SOUND = Versions(
    postgres=180_004,
    brokers=[BROKER],
    runtime={"notifier": "1.2.0 (abc)", "payments-worker-1": "1.2.0 (abc)"},
    tool="1.2.0",
    stripe="2026-10-28.endive",
)


def test_versions_that_go_together_hold_and_each_is_in_the_evidence() -> None:
    found = versions_are_supported.answer(SOUND)

    assert (found.verdict, found.examined) == (Verdict.HOLDS, 4)
    assert list(found.evidence) == [
        "PostgreSQL: 18.4",
        "Kafka broker 1: 4.4",
        "notifier: 1.2.0 (abc)",
        "payments-worker-1: 1.2.0 (abc)",
        "bookpayctl: 1.2.0",
        "Stripe API: 2026-10-28.endive",
    ]


@pytest.mark.parametrize(
    ("change", "worry"),
    [
        ({"postgres": 170_009}, "PostgreSQL is 17.9, older than 18"),
        ({"brokers": [BrokerRelease("broker 1", (3, 9))]}, "broker 1 is 3.9, older than 4.0"),
        ({"brokers": [BROKER, BrokerRelease("broker 2", (4, 1))]}, "broker 1 4.4, broker 2 4.1"),
        ({"stripe": "2018-11-08"}, "Stripe answers as of 2018-11-08"),
        (
            {"runtime": {"a": "1.2.0 (abc)", "b": "1.2.0 (def)"}},
            "the services run 2 runtimes: 1.2.0 (abc) in a; 1.2.0 (def) in b",
        ),
        ({"runtime": {"a": "1.2.0 (abc)", "b": ""}}, "b does not say its version"),
        ({"tool": "1.3.0"}, "bookpayctl is 1.3.0 and judges 1.2.0"),
    ],
)
def test_versions_that_do_not_go_together_are_a_worry(change: dict[str, Any], worry: str) -> None:
    found = versions_are_supported.answer(replace(SOUND, **change))

    assert found.verdict is Verdict.WARNING
    assert worry in found.observed


@pytest.mark.parametrize(
    "change",
    [
        {"postgres": None, "mute": ["PostgreSQL: it is away"]},
        {"brokers": [BrokerRelease("broker 1", None, "it hangs up")]},
        {"mute": ["notifier: no answer"]},
        {"runtime": {}},
    ],
)
def test_what_did_not_say_its_version_makes_the_whole_unknown(change: dict[str, Any]) -> None:
    found = versions_are_supported.answer(replace(SOUND, **change))

    assert found.verdict is Verdict.UNKNOWN
    assert found.reason


def test_a_worry_is_not_hidden_by_somebody_who_does_not_answer() -> None:
    found = versions_are_supported.answer(
        replace(SOUND, postgres=130_000, mute=["notifier: no answer"])
    )

    assert found.verdict is Verdict.WARNING
    assert "no answer of notifier: no answer" in found.evidence


def test_a_stripe_that_does_not_say_its_version_is_told_as_such() -> None:
    found = versions_are_supported.answer(replace(SOUND, stripe=""))

    assert found.verdict is Verdict.HOLDS
    assert "Stripe API not told" in found.observed


@pytest.mark.parametrize(
    ("page", "build"),
    [
        (
            'x 2.0\nbookpay_build_info{source="0123",version="1.2.0"} 1.0\n',
            "1.2.0 (0123)",
        ),
        ("bookpay_outbox_publisher_leading 1.0\n", ""),
        ('bookpay_build_info{source="0123",version=""} 1.0\n', ""),
    ],
)
def test_a_process_says_its_runtime_in_its_metrics(page: str, build: str) -> None:
    assert build_of(page) == build


def migration(number: int, text: str = "SELECT 1") -> Migration:
    return Migration(number, f"{number:04}_step", text)


def test_migrations_are_compared_by_number_and_text() -> None:
    shipped = [migration(1), migration(2), migration(4)]
    recorded = {
        1: ("0001_step", migration(1).sha256),
        2: ("0002_step", migration(2, "SELECT 2").sha256),
        9: ("0009_later", "aa"),
    }

    found = compare(shipped, recorded)

    assert found == SchemaVersion(
        applied=3,
        newest="0009_later",
        missing=("0004_step",),
        unknown=("0009_later",),
        changed=("0002_step",),
    )


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (SchemaVersion(7, "0008_x"), Verdict.HOLDS, "7 migrations, the newest 0008_x"),
        (
            SchemaVersion(6, "0007_x", missing=("0008_y",)),
            Verdict.VIOLATED,
            "0008_y is not applied",
        ),
        (
            SchemaVersion(7, "0008_x", changed=("0003_z",)),
            Verdict.VIOLATED,
            "0003_z was applied with another text",
        ),
        # The services of the newer version are served by it; the older ones run on it, too.
        (SchemaVersion(8, "0009_n", unknown=("0009_n",)), Verdict.WARNING, "0009_n is applied"),
        (SchemaVersion(0, "", missing=("0001_x",)), Verdict.VIOLATED, "0001_x is not applied"),
        (SchemaVersion(0, ""), Verdict.VACUOUS, "0 migrations"),
    ],
)
def test_a_schema_that_is_not_the_codes_is_told(
    found: SchemaVersion, verdict: Verdict, words: str
) -> None:
    answer = schema_is_current.answer(found)

    assert answer.verdict is verdict
    assert words in answer.observed


NOW = datetime.now(UTC)


def secrets(count: int, age: timedelta) -> SigningSecrets:
    return SigningSecrets(count, NOW - age, "/secrets/stripe-webhook-secret")


@pytest.mark.parametrize(
    ("count", "age", "verdict"),
    [
        (1, timedelta(days=364), Verdict.HOLDS),
        (1, timedelta(days=366), Verdict.WARNING),
        # While it is rolled there are two, and no longer.
        (2, timedelta(hours=23), Verdict.HOLDS),
        (2, timedelta(hours=25), Verdict.WARNING),
    ],
)
def test_a_secret_that_is_old_or_never_taken_away_is_a_worry(
    count: int, age: timedelta, verdict: Verdict
) -> None:
    found = webhook_secret_is_young.answer(secrets(count, age), NOW, made_here=True)

    assert found.verdict is verdict
    assert "whsec" not in "".join(found.evidence)


def test_the_age_of_a_secret_that_stripe_made_is_skipped_and_not_said_to_be_well() -> None:
    found = webhook_secret_is_young.answer(secrets(1, timedelta(hours=2)), NOW, made_here=False)

    assert found.verdict is Verdict.SKIPPED
    assert found.reason.startswith("when Stripe made it is not known here; 1 accepted")


def test_a_secret_that_stripe_made_and_that_is_here_for_too_long_is_a_worry() -> None:
    found = webhook_secret_is_young.answer(secrets(1, timedelta(days=400)), NOW, made_here=False)

    assert (found.verdict, found.observed) == (
        Verdict.WARNING,
        "the secret is unchanged for 400 d",
    )


@pytest.mark.parametrize("changed_at", [None, NOW + timedelta(hours=1)])
def test_a_secret_of_no_known_age_is_unknown(changed_at: datetime | None) -> None:
    found = webhook_secret_is_young.answer(
        SigningSecrets(1, changed_at, "Secret shop/x"), NOW, made_here=True
    )

    assert found.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("text", "count"),
    [("whsec_a\n", 1), ("whsec_a\nwhsec_b\n", 2), ("whsec_a,whsec_b", 2), ("\n", 0)],
)
def test_secrets_are_counted_as_the_receiver_reads_them(text: str, count: int) -> None:
    assert accepted(text) == count


def writer(key: str, time: str) -> dict[str, Any]:
    return {"time": time, "fieldsV1": {"f:data": {f"f:{key}": {}}}}


def test_a_secret_in_a_cluster_is_as_old_as_the_last_change_of_its_key() -> None:
    early, late = NOW - timedelta(days=9), NOW - timedelta(days=2)
    fields = [
        writer("webhook-secret", early.isoformat()),
        writer("webhook-secret", late.isoformat()),
        writer("another-key", NOW.isoformat()),
        {"time": NOW.isoformat(), "fieldsV1": {"f:metadata": {}}},
    ]

    assert written_at({"metadata": {"managedFields": fields}}, "webhook-secret") == late
    assert written_at({"metadata": {}}, "webhook-secret") is None
