"""Which clusters this tool may touch: a kind cluster, or one whose context the user allowed."""

from __future__ import annotations

from typing import Final

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import ContextRefusedError, ForbiddenError
from bookpayctl.targets.kube.kinds import NODE

ALLOW_VARIABLE: Final = "BOOKPAY_KUBE_CONTEXTS"

# kind writes this on every node it makes; a context's name says nothing, anybody can choose it.
_KIND_PROVIDER: Final = "kind://"


def refuse_context(cluster: Cluster, allowed: tuple[str, ...]) -> None:
    """Raise unless the cluster is kind's or its context is on the list.

    Raises:
        ContextRefusedError: it is neither; nothing was touched.
    """
    if cluster.context in allowed or is_kind(cluster):
        return
    raise ContextRefusedError(
        f"context {cluster.context!r} ({cluster.server}) is no kind cluster and not on the list of"
        f" allowed contexts ({', '.join(allowed) or 'empty'}); if things may be broken there, allow"
        f" it: {ALLOW_VARIABLE}={cluster.context}, or kube_contexts in bookpay.toml"
    )


def is_kind(cluster: Cluster) -> bool:
    """Whether every node was made by kind."""
    try:
        nodes = cluster.objects(NODE)
    except ForbiddenError:
        # Whoever may not look at nodes did not make the cluster.
        return False
    providers = [str(node["spec"].get("providerID") or "") for node in nodes]
    return bool(providers) and all(name.startswith(_KIND_PROVIDER) for name in providers)


def allowed_contexts(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
