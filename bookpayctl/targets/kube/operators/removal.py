"""Taking out the operators that `up` installed for an environment, and no other.

An operator's definitions take every object of their kinds with them, whoever made those. So one
that is in use by anybody stays, and is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.down import removable_kinds
from bookpayctl.targets.kube.errors import AbsentError, ForbiddenError, RolloutDeadlineError
from bookpayctl.targets.kube.kinds import CUSTOM_RESOURCE_DEFINITION, Kind
from bookpayctl.targets.kube.operators.choice import INSTALLED_FOR_LABEL
from bookpayctl.targets.kube.operators.install import kinds_of

_LOOK_SECONDS: Final = 0.5
_NAMED_MAX: Final = 5

# A webhook without its server would refuse what comes after it; who acts goes before what it may.
_FIRST: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Deployment")
# The definitions last: as long as they are there, the next `down` knows that there is something.
_LAST: Final = ("Namespace", "CustomResourceDefinition")


def remove_operators(
    cluster: Cluster, environment: str, *, deadline: float, tell: Callable[[str], None]
) -> list[str]:
    """Remove what was installed for an environment, unless somebody uses it; what was removed.

    Raises:
        RolloutDeadlineError: something is still there; the message names it.
    """
    label = f"{INSTALLED_FOR_LABEL}={environment}"
    try:
        definitions = cluster.objects(CUSTOM_RESOURCE_DEFINITION, labels=label)
    except ForbiddenError:
        # Whoever may not look at definitions has not made any.
        return []
    if not definitions:
        return []
    if users := _users(cluster, definitions):
        more = f" and {len(users) - _NAMED_MAX} more" if len(users) > _NAMED_MAX else ""
        tell(f"the operators stay: {', '.join(users[:_NAMED_MAX])}{more} would go with them")
        return []
    kinds = in_removal_order(removable_kinds(cluster))
    removed: list[str] = []
    for kind in kinds:
        for document in _left(cluster, kind, label):
            meta = document["metadata"]
            if cluster.delete(kind, meta["name"], meta.get("namespace"), uid=meta["uid"]):
                removed.append(f"{kind.kind.lower()}/{meta['name']}")
    tell(f"deleting {len(removed)} objects of operators")
    waited = wait_until(
        lambda: [doc["metadata"]["name"] for kind in kinds for doc in _left(cluster, kind, label)],
        lambda left: not left,
        deadline_seconds=max(0.0, deadline - time.monotonic()),
        every_seconds=_LOOK_SECONDS,
    )
    if not waited.reached:
        raise RolloutDeadlineError(f"still there: {', '.join(waited.value[:_NAMED_MAX])}")
    return removed


def in_removal_order(kinds: Iterable[Kind]) -> list[Kind]:
    """Kinds in the order in which an operator's objects go."""

    def turn(kind: Kind) -> int:
        if kind.kind in _FIRST:
            return _FIRST.index(kind.kind)
        return len(_FIRST) + (_LAST.index(kind.kind) + 1 if kind.kind in _LAST else 0)

    return sorted(kinds, key=turn)


def _users(cluster: Cluster, definitions: list[Document]) -> list[str]:
    """Every object of the definitions' kinds, wherever it is."""
    found = {}
    for definition in definitions:
        for kind in kinds_of(definition):
            for document in cluster.objects(kind):
                meta = document["metadata"]
                name = f"{kind.kind.lower()} {meta.get('namespace', '')}/{meta['name']}"
                found[meta["uid"]] = name
    return sorted(found.values())


def _left(cluster: Cluster, kind: Kind, label: str) -> list[Document]:
    try:
        return cluster.objects(kind, labels=label)
    except AbsentError:
        # The kind itself has gone, with its definition.
        return []
