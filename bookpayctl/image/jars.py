"""The layer of Kafka's jars, as the servers look for them in their cache."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.image.description import CACHE
from bookpayctl.image.entries import file_entry, in_order
from bookpayctl.image.errors import ImageError
from bookpayctl.image.layer import EPOCH_SECONDS, Layer, write_layer
from bookpayctl.image.materials import Material
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.servers import jars

_NAME: Final = re.compile(r"(?P<name>.+?)-(?P<version>\d[^/]*?)\.jar")
_PROPERTIES: Final = re.compile(r"META-INF/maven/(?P<group>[^/]+)/(?P<name>[^/]+)/pom\.properties")


@dataclass(frozen=True, slots=True)
class KafkaJars:
    """The verified jars of one Kafka.

    Attributes:
        folder: where they lie; its name says which ones they are, and is kept in the image.
        pinned: file name -> sha256 in hex of each.
        mark: name and text of the file that spares the copy in the image its verification.
    """

    folder: Path
    pinned: Mapping[str, str]
    mark: tuple[str, str]

    def inputs(self) -> list[str]:
        """Everything that decides the layer."""
        return [self.folder.name, *self.mark]


def kafka_jars(progress: Callable[[int, int], None]) -> KafkaJars:
    """The user's jars; fetched when they are not there.

    Args:
        progress: called with the jars that have arrived and the jars there will be.

    Raises:
        ImageError: no network, or what came is not what is pinned.
    """
    try:
        folder = jars.ensure(jars.cache_dir(), progress)
    except jars.JarsError as error:
        raise ImageError(str(error), code=ExitCode.UNKNOWN, reason="jars_not_fetched") from error
    return KafkaJars(folder, jars.pinned(), jars.mark_of_copy(folder, EPOCH_SECONDS))


def write_jars(kafka: KafkaJars, path: Path) -> tuple[Layer, tuple[Material, ...]]:
    """Write the layer."""
    folder, pinned = kafka.folder, kafka.pinned
    at = f"{CACHE}/{folder.name}"
    name, text = kafka.mark
    entries = [file_entry(f"{at}/{jar}", folder / jar) for jar in pinned]
    layer = write_layer(in_order([*entries, file_entry(f"{at}/{name}", text.encode())]), path)
    materials = tuple(jar_material(folder / jar, digest) for jar, digest in sorted(pinned.items()))
    return layer, materials


def jar_material(jar: Path, sha256: str) -> Material:
    """What a jar is, by its name and, where it tells it, its own description."""
    match = _NAME.fullmatch(jar.name)
    name, version = (match["name"], match["version"]) if match else (jar.stem, "")
    with zipfile.ZipFile(jar) as archive:
        told = [found for each in archive.namelist() if (found := _PROPERTIES.fullmatch(each))]
    # A jar that holds others holds their descriptions, too.
    own = [found["group"] for found in told if found["name"] == name]
    return Material("maven", own[0] if own else "", name, version, jar.name, sha256)
