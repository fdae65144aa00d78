"""Which Secrets are left to operators, and where PostgreSQL is, as an overlay's documents say."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.targets import credentials
from bookpayctl.targets.kube import secrets
from bookpayctl.targets.kube.made_secrets import (
    DatabasePlace,
    SecretKey,
    database_place,
    dsn_of,
    made_by_operators,
)
from tests.support.manifests.rendering import render

Document = dict[str, Any]

OURS = DatabasePlace("postgres", "bookpay", "bookpay", "bookpay-database")
OF_CNPG = DatabasePlace("bookstore-platform-rw", "bookpay", "bookpay", "bookstore-platform-app")


def secret(name: str, **values: str) -> Document:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": name}, "data": {k.replace("_", "-"): v for k, v in data.items()}}


@pytest.mark.parametrize(
    ("overlay", "place", "left_to_operators"),
    [
        ("standalone", OURS, set()),
        ("kind", OF_CNPG, {"bookstore-platform-app"}),
        (
            "operators",
            OF_CNPG,
            {"bookstore-platform-app", "stripe-api-key", "stripe-webhook-secret"},
        ),
    ],
)
def test_what_an_overlay_leaves_to_operators(
    overlay: str, place: DatabasePlace, left_to_operators: set[str]
) -> None:
    objects = list(render(overlay).objects)

    assert database_place(objects) == place
    assert made_by_operators(objects) == left_to_operators


@pytest.mark.parametrize(
    ("overlay", "read"),
    [
        ("standalone", SecretKey("bookpay-database", "dsn")),
        ("kind", SecretKey("bookstore-platform-app", "uri")),
    ],
)
def test_a_deployment_tells_what_its_service_reads_as_dsn(overlay: str, read: SecretKey) -> None:
    assert dsn_of(render(overlay).named("Deployment", "payments-gateway")) == read


def test_a_deployment_without_a_database_tells_none() -> None:
    deployment: Document = {"spec": {"template": {"spec": {"containers": []}}}}

    assert dsn_of(deployment) is None


def test_what_operators_make_is_not_made_by_us(tmp_path: Path) -> None:
    credentials.ensure(tmp_path, {})

    made = secrets.documents(tmp_path, "n", "shop", frozenset({"stripe-api-key"}))

    names = [document["metadata"]["name"] for document in made]
    assert names == ["bookpay-database", "bookpay-tokens", "stripe-webhook-secret"]


def test_what_is_in_the_cluster_counts_whoever_made_it() -> None:
    there = [
        secret("bookstore-platform-app", password="of-the-operator"),
        secret("bookpay-database", password="ours-of-before"),
        secret("stripe-api-key", api_key="sk_test_1"),
    ]

    found = secrets.values_in(there, "bookstore-platform-app")

    assert found["stripe-api-key"] == "sk_test_1"
    assert found["pgpass"].endswith(":of-the-operator\n")


def test_while_a_signing_secret_is_rolled_the_newest_is_the_one_to_sign_with() -> None:
    there = [secret("stripe-webhook-secret", webhook_secret="whsec_new\nwhsec_old\n")]

    assert secrets.values_in(there, "x") == {"stripe-webhook-secret": "whsec_new"}
