"""Secrets in the cluster and the files beside the environment: the same values in two places.

What is in the cluster counts: another machine may have brought the environment up, and the
database knows that password. What is missing there is made here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from bookpayctl.targets import credentials
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.kinds import SECRET
from bookpayctl.targets.kube.made_secrets import DATABASE_SECRET
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL
from bookpayctl.targets.servers.postgres import DATABASE, ROLE, passfile_line
from bookpayctl.targets.signing_secrets import SigningSecrets, accepted, written_at

# File beside the environment -> Secret and key.
PLACES: Final = {
    credentials.STRIPE_KEY: ("stripe-api-key", "api-key"),
    credentials.WEBHOOK_SECRET: ("stripe-webhook-secret", "webhook-secret"),
    credentials.GATEWAY_TOKEN: ("bookpay-tokens", "gateway-token"),
    credentials.ORDERS_TOKEN: ("bookpay-tokens", "orders-token"),
}


def in_cluster(
    cluster: Cluster, namespace: str, database_secret: str = DATABASE_SECRET
) -> dict[str, str]:
    """File name -> value of every secret that the namespace has."""
    return values_in(cluster.objects(SECRET, namespace), database_secret)


def values_in(there: Iterable[Document], database_secret: str) -> dict[str, str]:
    """File name -> value of what these Secrets hold.

    Of several signing secrets, as they are while one is rolled, the first: it is the newest.
    """
    found: dict[str, str] = {}
    by_name = {secret["metadata"]["name"]: secret for secret in there}
    for file_name, (secret, key) in PLACES.items():
        value = value_of(by_name.get(secret), key)
        if value:
            found[file_name] = value.splitlines()[0].strip()
    password = value_of(by_name.get(database_secret), "password")
    if password:
        found[credentials.PASSFILE] = passfile_line(password)
    return found


def signing_secrets(cluster: Cluster, namespaces: Iterable[str]) -> SigningSecrets | None:
    """How many secrets the Secret of the receiver holds, and since when; None without one."""
    name, key = PLACES[credentials.WEBHOOK_SECRET]
    for namespace in namespaces:
        secret = cluster.find(SECRET, name, namespace)
        if secret is not None:
            changed_at = written_at(secret, key)
            count = accepted(value_of(secret, key))
            return SigningSecrets(count, changed_at, f"Secret {namespace}/{name}")
    return None


def documents(
    secrets_dir: Path, namespace: str, name: str, left_out: frozenset[str]
) -> list[Document]:
    """The Secrets of an environment, from its files.

    Args:
        left_out: names of those that somebody else makes.
    """
    values: dict[str, dict[str, str]] = {}
    for file_name, (secret, key) in PLACES.items():
        values.setdefault(secret, {})[key] = (secrets_dir / file_name).read_text().strip()
    password = credentials.database_password(secrets_dir)
    values[DATABASE_SECRET] = {
        "dsn": f"postgresql://{ROLE}:{password}@postgres:5432/{DATABASE}",
        "password": password,
    }
    return [
        _document(secret, namespace, name, data)
        for secret, data in sorted(values.items())
        if secret not in left_out
    ]


def _document(secret: str, namespace: str, name: str, data: Mapping[str, str]) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret,
            "namespace": namespace,
            "labels": {ENVIRONMENT_LABEL: name, "app.kubernetes.io/part-of": "bookpay"},
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def value_of(secret: Document | None, key: str) -> str:
    """One value of a Secret; empty when it is not there."""
    raw = ((secret or {}).get("data") or {}).get(key) or ""
    return base64.b64decode(raw).decode("utf-8", "replace").strip()
