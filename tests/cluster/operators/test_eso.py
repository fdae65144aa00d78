"""components/eso with the real External Secrets Operator and a Vault: filled, rolled under load.

A secret is rolled as at Stripe: for a while the old and the new one are valid. Events are sent all
the while, and orders are paid; nothing is restarted.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from bookpayctl.clients.database import reading
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import SECRET, Kind
from bookpayctl.targets.kube.reach.ways import Ways
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.http_client import Answer, HttpClient
from tests.support.operators import (
    EXTERNAL_SECRETS,
    KUBELET_SECONDS_MAX,
    SPACE,
    asked_for,
    compose,
    condition,
    lab_of,
    pods_of,
    runs_of,
    stack,
    start,
    twin_within_reach,
    up_arguments,
    wait_for,
    within_reach,
)
from tests.support.signing import signature
from tests.support.vault import Vault
from tests.support.waiting import eventually
from tests.support.webhooks import PATH

pytestmark = [asked_for, pytest.mark.acceptance]

EXTERNAL: Final = Kind("external-secrets.io/v1", "ExternalSecret", "externalsecrets")
RECEIVER, GATEWAY = "payments-webhook-receiver", "payments-gateway"
KEY_FILE: Final = "/run/secrets/bookpay/stripe-api-key/api-key"
TWINS_ACCOUNT: Final = "acct_twin"


@dataclass
class Stripes:
    """What Vault holds: the key, and the signing secrets, newest first."""

    vault: Vault
    api: Cluster
    key: str = field(default_factory=lambda: f"sk_test_{secrets.token_hex(12)}")
    signing: list[str] = field(default_factory=lambda: [new_secret()])

    def write(self) -> None:
        """Put it into Vault, and ask the operator to look now rather than within its minute."""
        self.vault.write({"api_key": self.key, "webhook_secrets": "\n".join(self.signing)})
        for name in ("stripe-api-key", "stripe-webhook-secret"):
            if self.api.find(EXTERNAL, name, SPACE) is not None:
                now = {"metadata": {"annotations": {"force-sync": str(time.time_ns())}}}
                self.api.patch(EXTERNAL, name, now, SPACE)


def new_secret() -> str:
    return f"whsec_{secrets.token_hex(24)}"


@pytest.fixture(scope="module")
def ca_file(cluster_variables: TestCluster) -> Path:
    """Whom Vault is trusted by; only the lab tells."""
    start(cluster_variables, EXTERNAL_SECRETS)
    if lab_of(cluster_variables) is None:
        pytest.skip("no Vault: the cluster is no lab, and its Vault is somebody else's")
    return Path(os.environ.get("STATE", "/var/lib/klab")) / "vault-ca.crt"


@pytest.fixture(scope="module")
def ways(api: Cluster) -> Iterator[Ways]:
    found = Ways(api)
    yield found
    found.close()


@pytest.fixture(scope="module")
def held(ca_file: Path, ways: Ways, api: Cluster) -> Iterator[Stripes]:
    vault = Vault(ways, ca_file)
    yield Stripes(vault, api)
    vault.close()


@pytest.fixture(scope="module")
def overlay(ca_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trust = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "vault-ca", "namespace": SPACE},
        "data": {"ca.crt": ca_file.read_text()},
    }
    return compose(tmp_path_factory.mktemp("eso"), "eso", resources=[trust])


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster,
    overlay: Path,
    held: Stripes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CommandLine]:
    held.write()
    home = tmp_path_factory.mktemp("stack") / "home"
    with stack(cluster_variables, home, overlay) as command:
        yield command


def value(api: Cluster, secret: str, key: str) -> str:
    return base64.b64decode(api.get(SECRET, secret, SPACE)["data"][key]).decode()


def test_the_secrets_are_what_vault_holds_and_the_stack_works_with_them(
    shop: CommandLine, api: Cluster, held: Stripes
) -> None:
    for name in ("stripe-api-key", "stripe-webhook-secret"):
        wait_for(api, EXTERNAL, name, lambda found: condition(found, "Ready") == "True")

    assert value(api, "stripe-api-key", "api-key") == held.key
    assert value(api, "stripe-webhook-secret", "webhook-secret") == held.signing[0]
    owners = api.get(SECRET, "stripe-api-key", SPACE)["metadata"]["ownerReferences"]
    assert [owner["kind"] for owner in owners] == ["ExternalSecret"]
    assert shop.ask("check")["exit"]["code"] == 0


def test_a_signing_secret_is_rolled_without_a_refused_event_or_a_restart(
    shop: CommandLine, api: Cluster, ways: Ways, held: Stripes
) -> None:
    pods, old, new = pods_of(api, RECEIVER), held.signing[0], new_secret()
    body = an_event_of(shop)
    urls = [f"http://127.0.0.1:{ways.to_pod(SPACE, pod['metadata']['name'], 8080)}" for pod in pods]
    signing, stop = [old], threading.Event()

    def send_until_stopped(url: str) -> list[int]:
        client, statuses = HttpClient(), []
        try:
            while not stop.is_set():
                statuses.append(post(client, url, body, signing[0]))
        finally:
            client.close_connections()
        return statuses

    with ThreadPoolExecutor(len(urls)) as threads:
        senders = [threads.submit(send_until_stopped, url) for url in urls]
        try:
            held.signing = [new, old]
            held.write()
            wait_for_all(urls, body, new, 200)
            signing[0] = new
            held.signing = [new]
            held.write()
            wait_for_all(urls, body, old, 400)
        finally:
            stop.set()
        statuses = [status for sender in senders for status in sender.result()]

    assert len(urls) == 2
    assert set(statuses) == {200}
    assert len(statuses) > 100
    assert runs_of(pods_of(api, RECEIVER)) == runs_of(pods)


def an_event_of(shop: CommandLine) -> bytes:
    """An event that Stripe has sent: sent again it is taken, and leaves nothing that is new."""
    shop.ask("order", "place", "--wait", "paid")
    with within_reach(shop) as environment, reading(environment.dsn) as conn:
        row = conn.execute("SELECT body FROM stripe_events LIMIT 1").fetchone()
    assert row is not None
    return bytes(row[0])


def post(client: HttpClient, url: str, body: bytes, secret: str) -> int:
    """The status of an event that is signed with this secret; 0 without an answer."""
    answer = client.attempt(
        "POST",
        url + PATH,
        body=body,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": signature(body, secret=secret),
        },
    )
    return answer.status if isinstance(answer, Answer) else 0


def wait_for_all(urls: list[str], body: bytes, secret: str, status: int) -> None:
    """Each pod's kubelet writes the file when it comes round to it."""
    client = HttpClient()
    try:
        eventually(
            lambda: all(post(client, url, body, secret) == status for url in urls),
            f"an event signed with it gets {status} everywhere",
            KUBELET_SECONDS_MAX,
        )
    finally:
        client.close_connections()


def test_a_key_is_rolled_without_a_failed_charge_or_a_restart(
    shop: CommandLine, api: Cluster, held: Stripes, cluster_variables: TestCluster
) -> None:
    pods, old = pods_of(api, GATEWAY), held.key
    new = f"sk_test_{secrets.token_hex(12)}"
    with twin_within_reach(shop) as twin:
        # `check` has asked for the time of day without a key.
        before = len(twin.rows("/requests"))
        # As at Stripe: both are good until the old one is revoked.
        twin.ask("POST", "/keys", {"key": new, "account": TWINS_ACCOUNT})
        held.key = new
        with orders_meanwhile(shop) as placed:
            held.write()
            wait_for_key(cluster_variables, pods, new)
            twin.ask("POST", "/keys", {"key": old, "account": TWINS_ACCOUNT, "expired": True})
            more = len(placed) + 3
            eventually(lambda: len(placed) >= more, "three more orders")
        asked = twin.rows("/requests")[before:]
        refused = [row for row in asked if row["status"] in (401, 403)]

    assert set(placed) == {"paid"}
    assert asked
    assert refused == []
    assert runs_of(pods_of(api, GATEWAY)) == runs_of(pods)


@contextmanager
def orders_meanwhile(shop: CommandLine) -> Iterator[list[str]]:
    """Orders, one after another, while the block lasts; each as it ended."""
    ended: list[str] = []
    stop = threading.Event()

    def place() -> None:
        while not stop.is_set():
            document = shop.ask("order", "place", "--wait", "paid", "--timeout", "60s")
            order: dict[str, Any] = document.get("order") or {}
            ended.append(str(order.get("status") or document["exit"]["reason"]))

    thread = threading.Thread(target=place, name="orders")
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join()


def wait_for_key(cluster: TestCluster, pods: list[Any], key: str) -> None:
    """Until every gateway has the file; its digest is asked for, so that no key is printed."""
    wanted = hashlib.sha256(key.encode()).hexdigest()

    def has_it(pod: str) -> bool:
        said = cluster.kubectl("-n", SPACE, "exec", pod, "-c", GATEWAY, "--", "sha256sum", KEY_FILE)
        return said.split()[0] == wanted

    names = [pod["metadata"]["name"] for pod in pods]
    eventually(
        lambda: all(map(has_it, names)), "every gateway has the new key", KUBELET_SECONDS_MAX
    )


def test_another_up_takes_the_rolled_values_over(
    shop: CommandLine, cluster_variables: TestCluster, overlay: Path, held: Stripes
) -> None:
    """The judge asks Stripe with the key of its own files, which was revoked meanwhile."""
    assert shop.run(*up_arguments(cluster_variables, overlay)).returncode == 0

    with within_reach(shop) as environment:
        assert environment.secret("stripe-api-key") == held.key
        assert environment.secret("stripe-webhook-secret") == held.signing[0]
    assert shop.ask("audit", "--age", "1s")["exit"]["code"] == 0
