"""What is taken out of a cluster with an environment, also after a run that was killed."""

from __future__ import annotations

import time
from typing import cast

from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.down import remove
from bookpayctl.targets.kube.kinds import LEASE, NAMESPACE, SECRET, Kind
from bookpayctl.targets.kube.manifests import ENVIRONMENT_LABEL
from bookpayctl.targets.kube.reservation import NAME

SPACE = "shop"
SECONDS = 0.2


class KeptObjects:
    """A cluster of one namespace, which is a list of objects."""

    def __init__(self, *objects: tuple[Kind, str]) -> None:
        self._kept: list[tuple[Kind, Document]] = [
            (kind, _document(kind, name)) for kind, name in objects
        ]

    @property
    def cluster(self) -> Cluster:
        return cast("Cluster", self)

    @property
    def names(self) -> list[str]:
        return [document["metadata"]["name"] for _, document in self._kept]

    def groups(self) -> list[str]:
        return [SECRET.api_version, LEASE.api_version]

    def resources(self, api_version: str) -> list[Document]:
        return [
            {
                "kind": kind.kind,
                "name": kind.plural,
                "namespaced": True,
                "verbs": ["list", "delete"],
            }
            for kind in (SECRET, LEASE)
            if kind.api_version == api_version
        ]

    def objects(self, kind: Kind, namespace: str | None = None, **_: str) -> list[Document]:
        return [document for found, document in self._kept if found == kind]

    def find(self, kind: Kind, name: str, namespace: str | None = None) -> Document | None:
        named = (one for one in self.objects(kind) if one["metadata"]["name"] == name)
        return next(named, None)

    def delete(self, kind: Kind, name: str, namespace: str | None = None, **_: str) -> bool:
        before = len(self._kept)
        self._kept = [
            (found, document)
            for found, document in self._kept
            if (found, document["metadata"]["name"]) != (kind, name)
        ]
        return len(self._kept) < before


def _document(kind: Kind, name: str) -> Document:
    meta = {"name": name, "uid": f"uid of {name}", "labels": {ENVIRONMENT_LABEL: "trial"}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}


def test_the_reservation_of_a_run_that_was_killed_goes_with_the_rest() -> None:
    there = KeptObjects((NAMESPACE, SPACE), (SECRET, "database"), (LEASE, NAME))

    removed = remove(
        there.cluster,
        "trial",
        [SPACE],
        [],
        deadline=time.monotonic() + SECONDS,
        tell=lambda _: None,
    )

    assert sorted(removed) == [f"lease/{NAME}", f"namespace/{SPACE}", "secret/database"]
    assert there.names == []
