"""What the real Prometheus of a cluster says, asked through the API server."""

from __future__ import annotations

import json
from typing import Any, Final

from bookpayctl.targets.kube.cluster import Cluster

_SERVICE: Final = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy"

# A new monitor is scraped when kubelet has written Prometheus's configuration, within a minute or
# two, and it has looked once.
SCRAPED_SECONDS_MAX: Final = 240.0


def ask(api: Cluster, query: str) -> list[dict[str, Any]]:
    """The samples of an instant query: labels under `metric`, time and text under `value`."""
    answer = json.loads(api.text(f"{_SERVICE}/api/v1/query", [("query", query)]))
    assert answer["status"] == "success", answer
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def up_of(api: Cluster, namespace: str) -> dict[str, list[int]]:
    """Service -> for each of its pods whether it was scraped when last tried, 1 or 0."""
    found: dict[str, list[int]] = {}
    for sample in ask(api, f'up{{namespace="{namespace}"}}'):
        app = sample["metric"].get("app", "")
        found.setdefault(app, []).append(int(sample["value"][1]))
    return found


def rules_of(api: Cluster, group: str) -> list[dict[str, Any]]:
    """The rules of the groups of that name, each with `health`, `lastError` and `state`."""
    answer = json.loads(api.text(f"{_SERVICE}/api/v1/rules"))
    return [
        rule
        for found in answer["data"]["groups"]
        if found["name"] == group
        for rule in found["rules"]
    ]
