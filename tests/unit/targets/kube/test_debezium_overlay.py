"""`--publisher debezium` in a cluster: the component over an overlay that carries it, or exit 2."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import settings
from bookpayctl.targets.kube.cluster import Document
from bookpayctl.targets.kube.manifests import (
    ManifestsError,
    folder,
    personal,
    publishing,
    render_chosen,
)
from bookpayctl.targets.kube.options import KubeOptions, read_options

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not on the PATH"
)


def options(**typed: str) -> KubeOptions:
    return read_options(settings.resolve(typed, {}, Path("/nowhere")), {})


def named(documents: list[Document], kind: str, name: str) -> list[Document]:
    return [
        document
        for document in documents
        if document["kind"] == kind and document["metadata"]["name"] == name
    ]


def data_of(documents: list[Document]) -> Mapping[str, str]:
    (found,) = named(documents, "ConfigMap", "bookpay-config")
    data: Mapping[str, str] = found["data"]
    return data


@needs_kubectl
def test_the_connector_takes_the_publishers_place() -> None:
    chosen = options(overlay="operators", publisher="debezium")
    documents = personal(render_chosen(chosen), chosen)

    (publisher,) = named(documents, "Deployment", "outbox-publisher")
    assert publisher["spec"]["replicas"] == 0
    assert len(named(documents, "KafkaConnector", "outbox-cdc")) == 1
    assert data_of(documents)["BOOKPAY_CHANGE_DATA_CAPTURE"] == "on"
    assert data_of(documents)["BOOKPAY_PUBLISHER_MODE"] == "poll"


@needs_kubectl
def test_the_component_alone_tells_the_services_too() -> None:
    rendered = render_chosen(options(overlay="operators", publisher="debezium"))

    assert data_of(rendered)["BOOKPAY_CHANGE_DATA_CAPTURE"] == "on"
    assert data_of(render_chosen(options()))["BOOKPAY_CHANGE_DATA_CAPTURE"] == "off"


@needs_kubectl
@pytest.mark.parametrize("overlay", ["standalone", "cnpg"])
def test_an_overlay_without_strimzi_cannot_carry_it(overlay: str) -> None:
    with pytest.raises(ManifestsError, match="Strimzi's Kafka") as refused:
        render_chosen(options(overlay=overlay, publisher="debezium"))

    assert refused.value.code is ExitCode.USAGE


@needs_kubectl
def test_an_overlay_with_the_connector_is_refused_to_another_publisher(tmp_path: Path) -> None:
    here = tmp_path.resolve()
    at = folder().resolve()
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(at / "overlays" / "operators", here)],
        "components": [os.path.relpath(at / "components" / "debezium", here)],
    }
    (here / "kustomization.yaml").write_text(json.dumps(document))

    with pytest.raises(ManifestsError, match="every event would go out twice"):
        render_chosen(options(overlay=str(here)))
    assert named(
        render_chosen(options(overlay=str(here), publisher="debezium")),
        *("KafkaConnector", "outbox-cdc"),
    )


@pytest.mark.parametrize(
    ("publisher", "told"),
    [("poll", ("poll", "off")), ("wal", ("wal", "off")), ("debezium", ("poll", "on"))],
)
def test_the_services_are_told_who_publishes(publisher: str, told: tuple[str, str]) -> None:
    assert tuple(publishing(publisher).values()) == told
