"""components/istio with a real gateway: what is refused before the receiver sees it, what comes.

The gateway is asked as one balancer in front of it would ask, with the client's address in
X-Forwarded-For. `what the receiver saw` is its own count of requests.
"""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.kube.reach.ways import Ways
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.http_client import http as plain
from tests.support.operators import (
    ISTIO,
    SPACE,
    asked_for,
    compose,
    pods_of,
    stack,
    start,
    within_reach,
)
from tests.support.signing import signature
from tests.support.waiting import eventually
from tests.support.webhooks import PATH, RECEIVED, encoded

pytestmark = [asked_for, pytest.mark.acceptance]

HOST: Final = "hooks.bookpay.example"
GATEWAYS_SPACE: Final = "istio-ingress"
RECEIVER: Final = "payments-webhook-receiver"

# One of the list in components/istio, and one of those that are nobody's (RFC 5737).
STRIPES, STRANGERS = "3.18.12.63", "203.0.113.9"

COUNTED: Final = re.compile(r"^bookpay_webhook_requests_total\{[^}]*} ([0-9.e+]+)$", re.MULTILINE)


class Gateway:
    """The gateway's HTTPS port by a local port that leads to its pod."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._url = f"https://127.0.0.1:{port}"
        trusted = ssl.create_default_context(cafile=str(certificate))
        self._client = httpx.Client(verify=trusted, trust_env=False, timeout=30.0)

    def request(
        self, body: bytes, headers: dict[str, str], *, method: str = "POST", path: str = PATH
    ) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            httpx.TransportError: there was none.
        """
        answer = self._client.request(
            method,
            self._url + path,
            content=body,
            headers={**headers, "Host": HOST},
            # The name is the world's, the way is ours: nothing resolves it here.
            extensions={"sni_hostname": HOST},
        )
        return answer.status_code, answer.content

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def certificate(
    cluster_variables: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """In the Secret hooks-tls, as the platform would have it there."""
    start(cluster_variables, ISTIO)
    folder = tmp_path_factory.mktemp("tls")
    key, crt = folder / "tls.key", folder / "tls.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(crt)], check=True, capture_output=True
    )
    secret = ("-n", GATEWAYS_SPACE, "secret")
    cluster_variables.kubectl("delete", *secret, "hooks-tls", "--ignore-not-found")
    cluster_variables.kubectl(
        *("create", *secret, "tls", "hooks-tls", f"--cert={crt}", f"--key={key}")
    )
    yield crt
    cluster_variables.kubectl("delete", *secret, "hooks-tls", "--ignore-not-found")


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    del certificate
    folder = tmp_path_factory.mktemp("istio")
    with stack(cluster_variables, folder / "home", compose(folder, "istio")) as command:
        yield command
    labelled = ("-l", "bookpay.dev/environment", "-o", "name")
    kinds = "gateways.networking.istio.io,authorizationpolicies.security.istio.io"
    assert cluster_variables.kubectl("get", kinds, "-n", GATEWAYS_SPACE, *labelled) == ""


@pytest.fixture(scope="module")
def ways(api: Cluster) -> Iterator[Ways]:
    found = Ways(api)
    yield found
    found.close()


@pytest.fixture(scope="module")
def secret(shop: CommandLine) -> str:
    with within_reach(shop) as environment:
        return environment.secret("stripe-webhook-secret")


@pytest.fixture(scope="module")
def gateway(
    shop: CommandLine, api: Cluster, ways: Ways, certificate: Path, secret: str
) -> Iterator[Gateway]:
    """Once routes and policies act there, which is some tenths of a second after they are made."""
    del shop
    (pod,) = api.objects(POD, GATEWAYS_SPACE, labels="istio=ingress")
    found = Gateway(ways.to_pod(GATEWAYS_SPACE, pod["metadata"]["name"], 443), certificate)

    def acts() -> bool:
        try:
            signed = found.request(*webhook(secret, address=STRIPES))
            stranger = found.request(*webhook(secret, address=STRANGERS))
        except httpx.TransportError:
            # Nobody listens at the port before the route is there.
            return False
        return (signed[0], stranger[0]) == (200, 403)

    eventually(acts, "the gateway routes, and refuses a stranger")
    yield found
    found.close()


def webhook(secret: str, *, address: str, signed: bool = True) -> tuple[bytes, dict[str, str]]:
    """A fresh event as Stripe would send it from this address."""
    body = encoded()
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    if signed:
        headers["Stripe-Signature"] = signature(body, secret=secret)
    return body, headers


def seen_by_receivers(api: Cluster, ways: Ways) -> int:
    """How many webhook requests have reached a receiver, whatever it answered."""
    count = 0
    for pod in pods_of(api, RECEIVER):
        port = ways.to_pod(SPACE, pod["metadata"]["name"], 8080)
        text = plain.request("GET", f"http://127.0.0.1:{port}/metrics").body.decode()
        count += sum(int(float(found)) for found in COUNTED.findall(text))
    return count


def test_a_good_signed_webhook_comes_through(
    gateway: Gateway, api: Cluster, ways: Ways, secret: str
) -> None:
    before = seen_by_receivers(api, ways)

    answer = gateway.request(*webhook(secret, address=STRIPES))

    assert answer == (200, RECEIVED)
    assert seen_by_receivers(api, ways) == before + 1


def test_a_forged_signature_comes_to_the_receiver_who_refuses_it(
    gateway: Gateway, api: Cluster, ways: Ways
) -> None:
    before = seen_by_receivers(api, ways)

    answer = gateway.request(*webhook("whsec_of_a_forger", address=STRIPES))

    assert answer[0] == 400
    assert seen_by_receivers(api, ways) == before + 1


@pytest.mark.parametrize(
    ("address", "signed"),
    [
        (STRIPES, False),
        (STRANGERS, True),
        (STRANGERS, False),
        # Who is in front of the gateway appends what it sees; what the client says comes before.
        (f"{STRIPES}, {STRANGERS}", True),
    ],
    ids=["no header", "another address", "neither", "an address that the client chose"],
)
def test_what_is_not_stripes_is_refused_before_the_receiver_sees_it(
    gateway: Gateway, api: Cluster, ways: Ways, secret: str, address: str, signed: bool
) -> None:
    before = seen_by_receivers(api, ways)

    answer = gateway.request(*webhook(secret, address=address, signed=signed))

    assert answer == (403, b"RBAC: access denied")
    assert seen_by_receivers(api, ways) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("POST", "/metrics"), ("POST", f"{PATH}/"), ("POST", "/stripe//webhook")],
)
def test_nothing_but_the_one_path_is_routed(
    gateway: Gateway, api: Cluster, ways: Ways, secret: str, method: str, path: str
) -> None:
    before = seen_by_receivers(api, ways)

    answer = gateway.request(*webhook(secret, address=STRIPES), method=method, path=path)

    assert answer[0] == 404
    assert seen_by_receivers(api, ways) == before
