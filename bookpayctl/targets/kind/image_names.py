"""Names of images as a node's container runtime keeps them. Pure."""

from __future__ import annotations

from typing import Final

_HUB: Final = "docker.io"


def full_image_name(name: str) -> str:
    """`bookpay:dev` as `docker.io/library/bookpay:dev`.

    Source:
        The reference grammar of distribution, with Docker's defaults for host, path and tag.
    """
    host, slash, rest = name.partition("/")
    if not slash or not is_host(host):
        host, rest = _HUB, name if slash else f"library/{name}"
    if "@" not in rest and ":" not in rest.rpartition("/")[2]:
        rest = f"{rest}:latest"
    return f"{host}/{rest}"


def is_host(first: str) -> bool:
    """Whether the first part of a name is a registry's."""
    return "." in first or ":" in first or first == "localhost"


def names_a_registry(name: str) -> bool:
    """Whether a node can be expected to fetch the image by itself."""
    host, slash, _ = name.partition("/")
    return bool(slash) and is_host(host)
