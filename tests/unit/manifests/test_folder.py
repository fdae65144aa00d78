"""The folder itself: found where the tool is installed, and any combination of it can be made."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import bookpayctl
from tests.support.manifests.pods import restricted
from tests.support.manifests.rendering import MANIFESTS, ROOT, Rendered, composed, pod_of, render
from tests.support.manifests.schemas import problems

ONE_EACH = sorted(
    path for path in (MANIFESTS / "base").iterdir() if "serviceAccountName" in path.read_text()
)


def test_the_installed_tool_has_the_manifests() -> None:
    installed = Path(bookpayctl.__file__).parent / "manifests"
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]

    files = [path for path in MANIFESTS.rglob("*") if path.is_file()]

    assert installed.resolve() == MANIFESTS.resolve()
    kinds = {f"manifests/**/*{path.suffix}" for path in files}
    assert kinds <= {*packaged["package-data"]["bookpayctl"]}
    assert kinds == {"manifests/**/*.yaml", "manifests/**/*.json"}


def test_every_component_is_used_by_an_overlay_or_says_that_it_stands_alone() -> None:
    components = {path.name for path in (MANIFESTS / "components").iterdir()}
    listed = {
        Path(name).name
        for path in MANIFESTS.rglob("kustomization.yaml")
        for name in yaml.safe_load(path.read_text()).get("components", ())
    }

    # Applied by itself; composed by who wants change data capture, or a certificate every night.
    assert components - listed == {"stripe-mock", "debezium", "certify"}


@pytest.mark.parametrize("path", ONE_EACH, ids=lambda path: path.stem)
def test_a_file_of_the_base_can_be_applied_by_itself(path: Path) -> None:
    alone = Rendered(path.stem, tuple(yaml.load_all(path.read_text(), yaml.CSafeLoader)))

    # The namespace takes its pods, and they are those that the overlays have.
    assert list(restricted(alone)) == []
    assert [why for document in alone.objects for why in problems(document)] == []
    (workload,) = alone.workloads
    # Where one Job prepares everything, there is none that only migrates.
    overlay = "prod" if workload["kind"] == "Job" else "standalone"
    together = render(overlay).named(workload["kind"], workload["metadata"]["name"])
    assert _common(pod_of(workload)["spec"]) == _common(pod_of(together)["spec"])


def _common(spec: dict[str, Any]) -> dict[str, Any]:
    """What no overlay has a say in."""
    return {
        **{key: value for key, value in spec.items() if key not in ("containers", "volumes")},
        "context": spec["containers"][0]["securityContext"],
        "last words": spec["containers"][0]["terminationMessagePolicy"],
    }


def test_our_kafka_and_an_operators_postgresql_can_be_had_together() -> None:
    documents = render("cnpg").objects

    by_name = {(document["kind"], document["metadata"]["name"]) for document in documents}
    job = next(d for d in documents if d["kind"] == "Job")
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {("StatefulSet", "kafka"), ("Cluster", "bookstore-platform")} <= by_name
    assert ("StatefulSet", "postgres") not in by_name
    assert arguments[-1].startswith("--bootstrap-servers=bookstore-platform-kafka-bootstrap")
    assert "bookpay-database" not in str(documents)


def test_stripes_mock_is_applied_by_itself() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH")

    text = composed(resources=[MANIFESTS / "components" / "stripe-mock"], components=[])

    kinds = [document["kind"] for document in yaml.load_all(text, yaml.CSafeLoader)]
    assert sorted(kinds) == [
        "Deployment",
        "NetworkPolicy",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    ]
