"""Which Secrets of an overlay operators make, and where its PostgreSQL is. Pure.

`up` makes every Secret that nobody else makes. What CloudNativePG or External Secrets make is left
to them, and read when it is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.kube.cluster import Document
from bookpayctl.targets.servers.postgres import DATABASE, ROLE

DATABASE_SECRET: Final = "bookpay-database"  # noqa: S105 - a Secret's name

# The volume of every service, and the file in it that DB_DSN_FILE names.
_VOLUME: Final = "database"
_FILE: Final = "dsn"


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where the services of an overlay find PostgreSQL, and the Secret that holds its password.

    Attributes:
        service: the Service in the services' own namespace.
    """

    service: str = "postgres"
    role: str = ROLE
    database: str = DATABASE
    secret: str = DATABASE_SECRET


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One value of one Secret."""

    secret: str
    key: str


def database_place(documents: Iterable[Document]) -> DatabasePlace:
    """As the documents have it: an operator's Cluster, or else our own server."""
    for document in documents:
        if is_postgres_cluster(document):
            name, made = document["metadata"]["name"], document["spec"]["bootstrap"]["initdb"]
            return DatabasePlace(f"{name}-rw", made["owner"], made["database"], app_secret(name))
    return DatabasePlace()


def made_by_operators(documents: Iterable[Document]) -> frozenset[str]:
    """Names of the Secrets that operators make of these documents."""
    names = set()
    for document in documents:
        if is_postgres_cluster(document):
            names.add(app_secret(document["metadata"]["name"]))
        if document["kind"] == "ExternalSecret":
            target = document["spec"].get("target") or {}
            names.add(str(target.get("name") or document["metadata"]["name"]))
    return frozenset(names)


def is_postgres_cluster(document: Document) -> bool:
    """Whether CloudNativePG makes a PostgreSQL of it."""
    return bool(
        document["kind"] == "Cluster" and document["apiVersion"].startswith("postgresql.cnpg.io/")
    )


def app_secret(cluster_name: str) -> str:
    """The Secret that CloudNativePG makes for a cluster's owner."""
    return f"{cluster_name}-app"


def dsn_of(deployment: Document) -> SecretKey | None:
    """What a service reads as its DSN; None where it mounts none."""
    for volume in deployment["spec"]["template"]["spec"].get("volumes") or []:
        secret = volume.get("secret")
        if volume["name"] != _VOLUME or not secret:
            continue
        for item in secret.get("items") or []:
            if item["path"] == _FILE:
                return SecretKey(secret["secretName"], item["key"])
    return None
