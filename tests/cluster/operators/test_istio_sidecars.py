"""components/istio-sidecars with the real Istio: plain text is refused, and everything still works.

The injected init container asks for NET_ADMIN and root, which a restricted namespace refuses; that
is seen here first. Istio's CNI plugin, the way in production, is not in the lab: the stack of these
tests has a namespace that lets the sidecars in.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import NAMESPACE, POD
from tests.support import prometheus
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.operators import (
    ISTIO,
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

GATEWAY_URL: Final = "http://payments-gateway:8080/healthz"

# In a pod of the image: the status, or how the connection ended.
ASK: Final = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print(type(getattr(error, 'reason', error)).__name__)
"""


@pytest.fixture(scope="module")
def shop(
    cluster_variables: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    start(cluster_variables, ISTIO, MONITORING)
    folder = tmp_path_factory.mktemp("sidecars")
    lets_sidecars_in = [
        {
            "op": "replace",
            "path": "/metadata/labels/pod-security.kubernetes.io~1enforce",
            "value": "privileged",
        }
    ]
    overlay = compose(
        folder,
        *("istio", "monitoring", "istio-sidecars"),
        resources=[twins_webhooks()],
        patches=[({"kind": "Namespace", "name": SPACE}, lets_sidecars_in)],
    )
    with stack(cluster_variables, folder / "home", overlay) as command:
        yield command


def twins_webhooks() -> dict[str, Any]:
    """In the place of the gateway's: the twin is within the cluster, and sends from there."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "twins-webhooks", "namespace": SPACE},
        "spec": {
            "selector": {"matchLabels": {"app": "payments-webhook-receiver"}},
            "action": "ALLOW",
            "rules": [{"from": [{"source": {"serviceAccounts": [f"{SPACE}/stripe-twin"]}}]}],
        },
    }


def restricted_pod(image: str, **labels: str) -> dict[str, Any]:
    """One that sleeps and may do nothing; in a restricted namespace it is welcome."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"client-{uuid.uuid4().hex[:8]}", "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "3600"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def test_a_restricted_namespace_refuses_a_pod_with_a_sidecar(
    cluster_variables: TestCluster, api: Cluster
) -> None:
    start(cluster_variables, ISTIO)
    name = f"bookpay-injected-{uuid.uuid4().hex[:8]}"
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    labels = {"istio-injection": "enabled", **enforced}
    made = {"name": name, "labels": labels}
    api.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": made})
    try:
        outside = restricted_pod(cluster_variables.image, **{"sidecar.istio.io/inject": "false"})
        refused = apply(name, restricted_pod(cluster_variables.image))
        taken = apply(name, outside)
    finally:
        api.delete(NAMESPACE, name)

    assert refused.returncode != 0
    assert "violates PodSecurity" in refused.stderr
    assert "istio-init" in refused.stderr
    assert taken.returncode == 0, taken.stderr


def apply(namespace: str, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", "-n", namespace, "create", "--dry-run=server", "-f", "-"],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_orders_are_paid_and_judged_through_the_mesh(shop: CommandLine, api: Cluster) -> None:
    with_sidecar = {
        pod["metadata"]["labels"]["app"]
        for pod in api.objects(POD, SPACE)
        if any(one["name"] == "istio-proxy" for one in pod["spec"].get("initContainers") or [])
    }

    assert with_sidecar == {*SERVICES, "stripe-twin"}
    assert shop.ask("order", "place", "--wait", "paid")["order"]["status"] == "paid"
    assert shop.ask("check")["exit"]["code"] == 0


def test_plain_text_is_refused_and_a_sidecars_is_not(
    shop: CommandLine, api: Cluster, cluster_variables: TestCluster
) -> None:
    """From two pods that the NetworkPolicies let through alike."""
    del shop
    worker = pods_of(api, "payments-worker")[0]["metadata"]["name"]
    stranger = restricted_pod(
        cluster_variables.image, app="payments-worker", **{"sidecar.istio.io/inject": "false"}
    )
    name = stranger["metadata"]["name"]
    api.create(POD, stranger, SPACE)
    try:
        cluster_variables.kubectl(
            *("-n", SPACE, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
        )
        in_plain_text = asked_from(cluster_variables, name, "client")
        by_mtls = asked_from(cluster_variables, worker, "payments-worker")
    finally:
        api.delete(POD, name, SPACE, grace_seconds=0)

    assert in_plain_text == "ConnectionResetError"
    assert by_mtls == "200"


def asked_from(cluster: TestCluster, pod: str, container: str) -> str:
    return cluster.kubectl(
        *("-n", SPACE, "exec", pod, "-c", container, "--"),
        *("python3", "-P", "-c", ASK, GATEWAY_URL),
    ).strip()


def test_every_service_is_scraped_though_plain_text_is_refused(
    shop: CommandLine, api: Cluster
) -> None:
    del shop
    wanted = {service: [1] * len(pods_of(api, service)) for service in SERVICES}

    eventually(
        lambda: prometheus.up_of(api, SPACE) == wanted,
        lambda: f"up is {prometheus.up_of(api, SPACE)}, wanted {wanted}",
        prometheus.SCRAPED_SECONDS_MAX,
    )

    for metric in (
        "bookpay_webhook_requests_total",
        "payments_open",
        "bookpay_stripe_circuit_open",
    ):
        assert prometheus.ask(api, f"count({metric})"), metric
