"""What kind is given for a new cluster: ours or the user's, with a port to tell it from others."""

from __future__ import annotations

import pytest
import yaml

from bookpayctl.targets.kind.cluster_config import ClusterConfig, cluster_config
from bookpayctl.targets.kube.manifests import folder
from bookpayctl.targets.settings import SettingsError

HEAD = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"
OURS = (folder() / "overlays" / "kind" / "cluster.yaml").read_text()


def made(text: str, *, keep_images: bool = True) -> ClusterConfig:
    return cluster_config(text, "mine.yaml", free_port=30_001, keep_images=keep_images)


def test_a_port_is_chosen_and_everything_else_stays() -> None:
    text = f"{HEAD}networking: {{podSubnet: 198.19.128.0/18}}\nnodes: [{{role: control-plane}}]\n"

    config = made(text)

    assert config.api_port == 30_001
    assert yaml.safe_load(config.text) == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"podSubnet": "198.19.128.0/18", "apiServerPort": 30_001},
        "nodes": [{"role": "control-plane"}],
    }


@pytest.mark.parametrize(("named", "port"), [(6443, 6443), (0, 30_001), (-1, 30_001)])
def test_a_port_that_the_user_names_stays(named: int, port: int) -> None:
    config = made(f"{HEAD}networking: {{apiServerPort: {named}}}\n")

    assert config.api_port == port
    assert yaml.safe_load(config.text)["networking"]["apiServerPort"] == port


def test_our_own_file_pins_no_image_for_a_kind_of_another_release() -> None:
    config = made(OURS, keep_images=False)

    assert not config.names_images
    assert "kindest/node" not in config.text


def test_images_of_the_users_file_are_the_users() -> None:
    config = made(f"{HEAD}nodes: [{{role: control-plane, image: mine:1}}]\n")

    assert config.names_images
    assert yaml.safe_load(config.text)["nodes"][0]["image"] == "mine:1"


def test_images_of_some_nodes_only_are_refused() -> None:
    with pytest.raises(SettingsError, match="1 of 2 nodes"):
        made(f"{HEAD}nodes: [{{role: control-plane, image: mine:1}}, {{role: worker}}]\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "kind: Cluster\napiVersion: v1\n",
        "kind: Pod\napiVersion: kind.x-k8s.io/v1",
    ],
)
def test_what_is_no_configuration_of_kinds_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(SettingsError, match=r"mine\.yaml"):
        made(text)
