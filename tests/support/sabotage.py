"""Known-bad services: a module that Python imports at start, so that it needs nothing of theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bookpayctl.runs.waiting import wait_until
from tests.support.cluster import TestCluster

# What a client library does when it is given no key: a new one for every attempt. And a receiver
# whose comparison of signatures always agrees. `argv` is not there yet so early; `orig_argv` is.
SABOTAGE: Final = """
import hmac
import sys
import uuid

if "payments-gateway" in sys.orig_argv:
    import urllib3

    send = urllib3.HTTPConnectionPool.urlopen

    def send_with_a_new_key(self, method, url, body=None, headers=None, **options):
        if headers and "Idempotency-Key" in headers:
            headers = {**headers, "Idempotency-Key": str(uuid.uuid4())}
        return send(self, method, url, body=body, headers=headers, **options)

    urllib3.HTTPConnectionPool.urlopen = send_with_a_new_key

if "payments-webhook-receiver" in sys.orig_argv:
    hmac.compare_digest = lambda a, b: True
"""

NAMESPACE: Final = "bookstore-platform-payments"
GATEWAY: Final = "payments-gateway"
ENDING_SECONDS_MAX: Final = 180.0
_NAME: Final = "sabotage"
_FOLDER: Final = "/sabotage"


@contextmanager
def sabotaged_gateway(cluster: TestCluster) -> Iterator[None]:
    """Every gateway pod imports the sabotage while the block lasts."""
    container = _container(cluster)
    variables = [one["name"] for one in container.get("env", [])]
    path = f"{_FOLDER}:/opt/bookpay/site-packages"
    assert "PYTHONPATH" not in variables
    added = {
        "env": [{"name": "PYTHONPATH", "value": path}],
        "volumeMounts": [{"name": _NAME, "mountPath": _FOLDER, "readOnly": True}],
    }
    volume = {"name": _NAME, "configMap": {"name": _NAME}}
    in_namespace = ("-n", NAMESPACE)
    literal = f"--from-literal=sitecustomize.py={SABOTAGE}"
    cluster.kubectl(*in_namespace, "create", "configmap", _NAME, literal)
    try:
        _patch(cluster, {"containers": [{"name": container["name"], **added}], "volumes": [volume]})
        yield
    finally:
        gone = {"$patch": "delete"}
        taken = {
            "env": [{"name": "PYTHONPATH", **gone}],
            "volumeMounts": [{"mountPath": _FOLDER, **gone}],
        }
        _patch(
            cluster,
            {
                "containers": [{"name": container["name"], **taken}],
                "volumes": [{"name": _NAME, **gone}],
            },
        )
        cluster.kubectl(*in_namespace, "delete", "configmap", _NAME)


def _container(cluster: TestCluster) -> dict[str, Any]:
    told = cluster.kubectl("-n", NAMESPACE, "get", "deployment", GATEWAY, "-o", "json")
    found: dict[str, Any] = json.loads(told)["spec"]["template"]["spec"]["containers"][0]
    return found


def _patch(cluster: TestCluster, pod: dict[str, Any]) -> None:
    """Change the pods of the gateway, and wait until only changed ones are there.

    A rollout has ended when the new ones serve; the old ones may still be busy with ending.
    """
    change = json.dumps({"spec": {"template": {"spec": pod}}})
    cluster.kubectl("-n", NAMESPACE, "patch", "deployment", GATEWAY, "-p", change)
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{GATEWAY}", "--timeout=300s")
    gone = wait_until(
        lambda: _ending(cluster), lambda pods: not pods, deadline_seconds=ENDING_SECONDS_MAX
    )
    assert gone.reached, gone.value


def _ending(cluster: TestCluster) -> list[str]:
    pods = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]
    found = [pod["metadata"] for pod in pods]
    return [pod["name"] for pod in found if pod.get("deletionTimestamp")]
