"""Write the vendored schemas anew from the projects' own CRD files.

    python -m tests.support.crds.vendor FOLDER

FOLDER holds `<project>-<version>/*.yaml`. Kept is what a validator reads, of the kinds and versions
that manifests/ uses: group, kind, version, scope and schema, without the descriptions.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

HERE: Final = Path(__file__).parent

Json = dict[str, object]

# Project -> API version -> kinds.
USED: Final[dict[str, dict[str, list[str]]]] = {
    "strimzi-1.2.0": {
        "kafka.strimzi.io/v1": [
            "Kafka",
            "KafkaNodePool",
            "KafkaTopic",
            "KafkaUser",
            "KafkaConnect",
            "KafkaConnector",
        ]
    },
    "cnpg-1.30.0": {"postgresql.cnpg.io/v1": ["Cluster", "DatabaseRole", "Publication"]},
    "istio-1.30.3": {
        "security.istio.io/v1": ["AuthorizationPolicy", "PeerAuthentication"],
        "networking.istio.io/v1": ["Gateway", "VirtualService"],
    },
    "external-secrets-2.9.0": {"external-secrets.io/v1": ["SecretStore", "ExternalSecret"]},
    "keda-2.20.2": {"keda.sh/v1alpha1": ["ScaledObject"]},
    "prometheus-operator-0.93.0": {"monitoring.coreos.com/v1": ["PodMonitor", "PrometheusRule"]},
}


def main(folder: Path) -> None:
    for project, wanted in USED.items():
        kept = [
            definition
            for path in sorted((folder / project).glob("*.yaml"))
            for definition in _definitions(path, wanted)
        ]
        missing = {(api, kind) for api, kinds in wanted.items() for kind in kinds} - {
            (f"{entry['group']}/{entry['version']}", entry["kind"]) for entry in kept
        }
        if missing:
            raise SystemExit(f"{project} has no {sorted(missing)}")
        text = json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()
        # No time in it: the same schemas are the same bytes.
        (HERE / f"{project}.json.gz").write_bytes(gzip.compress(text, mtime=0))


def _definitions(path: Path, wanted: dict[str, list[str]]) -> Iterator[Json]:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            api, kind = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            if kind in wanted.get(api, []) and version["served"]:
                yield {
                    "group": spec["group"],
                    "kind": kind,
                    "version": version["name"],
                    "scope": spec["scope"],
                    "schema": _without_descriptions(version["schema"]["openAPIV3Schema"]),
                }


def _without_descriptions(schema: object, *, names: bool = False) -> object:
    """The schema without prose; `names` where the keys are a resource's own field names."""
    if isinstance(schema, dict):
        return {
            key: _without_descriptions(value, names=not names and key == "properties")
            for key, value in schema.items()
            if names or key != "description"
        }
    if isinstance(schema, list):
        return [_without_descriptions(entry) for entry in schema]
    return schema


if __name__ == "__main__":
    main(Path(sys.argv[1]))
