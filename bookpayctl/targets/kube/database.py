"""Where a stack's PostgreSQL is, and which Secrets others make: read from its documents. Pure.

With our own PostgreSQL `up` makes the password. An operator that makes one keeps it in a Secret of
its own, which the services read instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]

DATABASE_SECRET: Final = "bookpay-database"  # noqa: S105 - a Secret's name
_OWN_HOST: Final = "postgres"


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where PostgreSQL is in the services' namespace.

    Attributes:
        host: name of a Service.
        secret: the Secret that holds the owner's password under `password`.
        is_own: whether `up` makes that Secret.
    """

    host: str = _OWN_HOST
    secret: str = DATABASE_SECRET

    @property
    def is_own(self) -> bool:
        return self.secret == DATABASE_SECRET


def database_of(documents: Iterable[Document]) -> DatabasePlace:
    """CloudNativePG's, where the documents have a cluster of it; else our own.

    Source:
        CloudNativePG, Connecting from an application: Service `NAME-rw`, Secret `NAME-app`.
    """
    for document in documents:
        group = document["apiVersion"].rpartition("/")[0]
        if (group, document["kind"]) == ("postgresql.cnpg.io", "Cluster"):
            name = document["metadata"]["name"]
            return DatabasePlace(host=f"{name}-rw", secret=f"{name}-app")
    return DatabasePlace()


def secrets_of_others(documents: Iterable[Document]) -> frozenset[str]:
    """Names of the Secrets that an operator fills, and that `up` must not."""
    return frozenset(
        str(document["spec"]["target"]["name"])
        for document in documents
        if document["kind"] == "ExternalSecret"
    )
