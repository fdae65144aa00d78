"""Which node image a release of kind gets, and that a release nobody looked at gets none."""

from __future__ import annotations

import re

import pytest
import yaml

from bookpayctl.targets.kind.errors import KindMissingError
from bookpayctl.targets.kind.node_images import NODE_IMAGES, kind_version, node_image_of
from bookpayctl.targets.kube.manifests import folder

CLUSTER = folder() / "overlays" / "kind" / "cluster.yaml"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("kind v0.33.0 go1.26.8 linux/amd64\n", "0.33.0"),
        ("kind v0.34.0-alpha+8c0d9ae1a1a5d2 go1.26.8 darwin/arm64", "0.34.0-alpha+8c0d9ae1a1a5d2"),
    ],
)
def test_the_release_is_read_from_what_kind_says(said: str, version: str) -> None:
    assert kind_version(said) == version


def test_a_program_that_says_no_release_is_no_kind() -> None:
    with pytest.raises(KindMissingError, match="names no release"):
        kind_version("usage: kind [options]")


def test_a_known_release_gets_its_image_by_digest() -> None:
    assert node_image_of("0.33.0") == (
        "kindest/node:v1.36.4"
        "@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"
    )


@pytest.mark.parametrize("version", ["0.34.0", "0.29.0", "0.33.1", "0.33.0-alpha"])
def test_a_release_that_is_not_in_the_table_is_refused_with_the_way_out(version: str) -> None:
    with pytest.raises(KindMissingError) as refused:
        node_image_of(version)

    assert version in str(refused.value)
    assert "--kind-image" in refused.value.fix


def test_every_image_of_the_table_has_a_digest_and_a_version_that_the_manifests_take() -> None:
    for image in NODE_IMAGES.values():
        version = re.fullmatch(r"v1\.(\d+)\.\d+@sha256:[0-9a-f]{64}", image)

        assert version is not None, image
        assert 34 <= int(version[1]) <= 36


def test_the_file_for_who_types_kind_himself_says_the_same() -> None:
    text = CLUSTER.read_text()
    listed = dict(re.findall(r"^#   kind (\S+): (\S+)$", text, re.MULTILINE))
    (node,) = yaml.safe_load(text)["nodes"]

    assert listed == NODE_IMAGES
    assert node["image"] == node_image_of("0.33.0")
