"""The folder itself: found where the tool is installed, and any combination of it can be made."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

import bookpayctl
from tests.support.manifests.rendering import MANIFESTS, ROOT, composed, render


def test_the_installed_tool_has_the_manifests() -> None:
    installed = Path(bookpayctl.__file__).parent / "manifests"
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]

    files = [path for path in MANIFESTS.rglob("*") if path.is_file()]

    assert installed.resolve() == MANIFESTS.resolve()
    assert "manifests/**/*.yaml" in packaged["package-data"]["bookpayctl"]
    assert {path.suffix for path in files} == {".yaml"}


def test_every_component_is_used_by_an_overlay_or_says_that_it_stands_alone() -> None:
    components = {path.name for path in (MANIFESTS / "components").iterdir()}
    listed = {
        Path(name).name
        for path in MANIFESTS.rglob("kustomization.yaml")
        for name in yaml.safe_load(path.read_text()).get("components", ())
    }

    # Applied by itself, and composed by who wants change data capture.
    assert components - listed == {"stripe-mock", "debezium"}


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
