"""Pods as the API server tells of them, as small as the code under test needs them."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

RUNNING: Document = {"running": {"startedAt": "2026-11-29T10:00:00Z"}}


def ended(code: int, reason: str = "Error", **more: object) -> Document:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def waiting(reason: str, message: str = "") -> Document:
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    name: str = "payments-worker-a",
    *,
    app: str = "payments-worker",
    state: Document | None = None,
    last: Document | None = None,
    restarts: int = 0,
    ready: bool = False,
    owner: str = "ReplicaSet",
    **meta: object,
) -> Document:
    container = {"name": app, "image": "bookpay:dev", "restartCount": restarts, "ready": ready}
    container |= {"state": state or {}, "lastState": last or {}}
    return {
        "metadata": {
            "name": name,
            "namespace": "bookstore-platform-payments",
            "uid": "0123456789abcdef",
            "labels": {"app": app},
            "ownerReferences": [{"kind": owner, "name": "it", "controller": True}],
            **meta,
        },
        "spec": {
            "containers": [{"name": app, "ports": [{"name": "metrics", "containerPort": 9090}]}]
        },
        "status": {
            "phase": "Running" if state == RUNNING else "Pending",
            "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
