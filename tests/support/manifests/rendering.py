"""manifests/ as the API server would get it: rendered by kubectl, or not at all."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[3]
MANIFESTS: Final = ROOT / "manifests"

PAYMENTS: Final = "bookstore-platform-payments"
KAFKA: Final = "kafka-system"

OVERLAYS: Final = ("standalone", "cnpg", "kind", "operators", "prod", "cdc")
"""The overlays of the repository, and `cdc`: operators with Debezium, which a user composes."""

_SECONDS_MAX: Final = 60

Json = Any  # a document as YAML gives it


@dataclass(frozen=True, slots=True)
class Rendered:
    """Every object of one overlay."""

    name: str
    objects: tuple[Json, ...]

    def of_kind(self, *kinds: str) -> list[Json]:
        return [document for document in self.objects if document["kind"] in kinds]

    def named(self, kind: str, name: str, namespace: str = PAYMENTS) -> Json:
        """The object of that name.

        Raises:
            KeyError: there is none.
        """
        for document in self.of_kind(kind):
            if full_name(document) == (namespace, name):
                return document
        raise KeyError((kind, namespace, name))

    @property
    def workloads(self) -> list[Json]:
        return self.of_kind("Deployment", "StatefulSet", "Job")


def full_name(document: Json) -> tuple[str, str]:
    metadata = document["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def pod_of(workload: Json) -> Json:
    return workload["spec"]["template"]


def containers_of(workload: Json) -> list[Json]:
    spec = pod_of(workload)["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def labels_of(workload: Json) -> dict[str, str]:
    labels: dict[str, str] = pod_of(workload)["metadata"]["labels"]
    return labels


def render(overlay: str) -> Rendered:
    """Every object of an overlay; who changes one makes a copy first.

    The test is reported as skipped where nothing can render them.
    """
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH, and nothing else renders manifests/ the same way")
    return _rendered(overlay)


@functools.cache
def _rendered(overlay: str) -> Rendered:
    return Rendered(overlay, tuple(yaml.load_all(_text(overlay), yaml.CSafeLoader)))


def kustomize(folder: Path) -> str:
    """What `kubectl kustomize` makes of a folder."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _text(overlay: str) -> str:
    if overlay != "cdc":
        return kustomize(MANIFESTS / "overlays" / overlay)
    return composed(
        resources=[MANIFESTS / "overlays" / "operators"],
        components=[MANIFESTS / "components" / "debezium", MANIFESTS / "components" / "labels"],
    )


def composed(*, resources: list[Path], components: list[Path]) -> str:
    """What a kustomization of somebody else's, in a folder of their own, would make of these."""
    with tempfile.TemporaryDirectory() as name:
        # kustomize takes no absolute path, and follows links before it goes up.
        folder = Path(name).resolve()
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(path, folder) for path in resources],
            "components": [os.path.relpath(path, folder) for path in components],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(document))
        return kustomize(folder)
