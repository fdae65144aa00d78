"""The layer of Kafka's jars, as the servers look for them in their cache."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bookpayctl.image.description import CACHE
from bookpayctl.image.entries import file_entry, in_order
from bookpayctl.image.layer import Layer, write_layer
from bookpayctl.image.materials import Material

_NAME: Final = re.compile(r"(?P<name>.+?)-(?P<version>\d[^/]*?)\.jar")
_PROPERTIES: Final = re.compile(r"META-INF/maven/(?P<group>[^/]+)/(?P<name>[^/]+)/pom\.properties")


def write_jars(
    folder: Path, pinned: Mapping[str, str], mark: tuple[str, str], path: Path
) -> tuple[Layer, tuple[Material, ...]]:
    """Write the verified jars of `folder` as the layer `path`.

    Args:
        pinned: file name -> sha256 of each.
        mark: name and text of the file that says that they were verified.
    """
    at = f"{CACHE}/{folder.name}"
    name, text = mark
    entries = [file_entry(f"{at}/{jar}", folder / jar) for jar in pinned]
    layer = write_layer(in_order([*entries, file_entry(f"{at}/{name}", text.encode())]), path)
    parts = tuple(jar_material(folder / jar, digest) for jar, digest in sorted(pinned.items()))
    return layer, parts


def jar_material(jar: Path, sha256: str) -> Material:
    """What a jar is, by its name and, where it tells it, its own description."""
    match = _NAME.fullmatch(jar.name)
    name, version = (match["name"], match["version"]) if match else (jar.stem, "")
    with zipfile.ZipFile(jar) as archive:
        told = [found for each in archive.namelist() if (found := _PROPERTIES.fullmatch(each))]
    # A jar that holds others holds their descriptions, too.
    own = [found["group"] for found in told if found["name"] == name]
    return Material("maven", own[0] if own else "", name, version, jar.name, sha256)
