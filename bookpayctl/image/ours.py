"""The topmost layer: our code, manifests and runbooks, our user, the list of materials.

Also what has to be taken from the base: pip and its like, which nothing in the image asks for.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.image import account, cuts
from bookpayctl.image.bytecode import Compiler, compiled
from bookpayctl.image.description import HOME, SITE
from bookpayctl.image.entries import LayerEntry, file_entry, folder_entry, in_order, whiteout
from bookpayctl.image.errors import ImageError
from bookpayctl.image.folder import folder_entries
from bookpayctl.image.inventory import Inventory
from bookpayctl.image.layer import Layer, write_layer

PACKAGES: Final = ("bookpayctl", "runtime")
BESIDE: Final = ("manifests", "runbooks")
"""Folders beside the packages, which have links to them."""

DATA: Final = "var/lib/bookpay"


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Where the code lies that comes into the image: a checkout, or an installation.

    Attributes:
        folder: the folder with `bookpayctl/` and `runtime/`.
        address: where the project says that its source is; empty when it does not.
    """

    folder: Path
    version: str
    address: str = ""

    @property
    def lock(self) -> Path:
        return self.folder / "requirements.lock"


def this_source() -> CodeSource:
    """The code that runs.

    Raises:
        ImageError: the two packages do not lie in one folder.
    """
    folders = {_package_folder(name).parent for name in PACKAGES}
    if len(folders) != 1:
        raise ImageError(f"bookpayctl and runtime lie apart: {sorted(map(str, folders))}")
    told = importlib.metadata.metadata("bookpay")
    addresses = dict(line.split(", ", 1) for line in told.get_all("Project-URL") or [])
    return CodeSource(folders.pop(), told["Version"], addresses.get("Source", ""))


def write_ours(
    source: CodeSource, base: Inventory, sbom: str, compiler: Compiler | None, path: Path
) -> Layer:
    """Write the layer."""
    code = code_entries(source)
    entries = [
        *code,
        *compiled(code, compiler, path.parent / "compiled"),
        *(whiteout(installer) for installer in base.installers),
        file_entry("etc/passwd", account.with_user(base.passwd).encode()),
        file_entry("etc/group", account.with_group(base.group).encode()),
        file_entry(f"{HOME}/sbom.cdx.json", sbom.encode()),
        folder_entry(DATA, owner=account.UID),
    ]
    return write_layer(in_order(entries, standing=base.folders), path)


def code_entries(source: CodeSource) -> list[LayerEntry]:
    """Our packages, what lies beside them when it is there, and what tells our version."""
    folders = [*PACKAGES, *(name for name in BESIDE if (source.folder / name).is_dir())]
    entries = [
        entry
        for name in folders
        for entry in folder_entries(source.folder / name, f"{SITE}/{name}", cuts.is_source)
    ]
    told = f"Metadata-Version: 2.1\nName: bookpay\nVersion: {source.version}\n"
    return [
        *entries,
        file_entry(f"{SITE}/bookpay-{source.version}.dist-info/METADATA", told.encode()),
    ]


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    for location in (spec.submodule_search_locations if spec else None) or ():
        return Path(location)
    raise ImageError(f"package {name} is not installed in this Python", fix="make setup")
