"""kind's configuration of a new cluster: ours or the user's, and what tells it from others. Pure.

Two clusters can bear one name, one after the other. The port of the API server is chosen here and
written down, so that a cluster which somebody made later under the name is not taken for ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml

from bookpayctl.targets.settings import SettingsError

_KIND: Final = "Cluster"
_GROUP: Final = "kind.x-k8s.io/"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What `kind create cluster` is given.

    Attributes:
        text: the configuration.
        api_port: of the API server, on this machine.
        names_images: whether every node's image is in it, so that none is to be chosen.
    """

    text: str
    api_port: int
    names_images: bool


def cluster_config(text: str, place: str, *, free_port: int, keep_images: bool) -> ClusterConfig:
    """The configuration with a port for the API server; one that it names stays.

    Args:
        place: where the text is from, for the message.
        keep_images: whether images that it names count; ours pins those of one release of kind.

    Raises:
        SettingsError: it is no configuration of kind's, or names the images of some nodes only.
    """
    document = _parsed(text, place)
    networking = document.setdefault("networking", {})
    # Zero and less leave it to kind or to the engine.
    named = int(networking.get("apiServerPort") or 0)
    port = named if named > 0 else free_port
    networking["apiServerPort"] = port
    nodes = document.get("nodes") or []
    if not keep_images:
        for node in nodes:
            node.pop("image", None)
    with_image = [node for node in nodes if node.get("image")]
    if with_image and len(with_image) != len(nodes):
        raise SettingsError(
            f"{place} names the image of {len(with_image)} of {len(nodes)} nodes; name all of them,"
            " or none and set kind_image"
        )
    return ClusterConfig(yaml.safe_dump(document, sort_keys=False), port, bool(with_image))


def _parsed(text: str, place: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{place} is not YAML: {error}") from error
    if (
        not isinstance(document, dict)
        or document.get("kind") != _KIND
        or not str(document.get("apiVersion")).startswith(_GROUP)
    ):
        raise SettingsError(f"{place} is no configuration of kind's (kind: {_KIND}, {_GROUP}...)")
    return document
