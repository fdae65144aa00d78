"""Which operators `up` can install, and the files of each: read from pins.toml beside this."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_FILE: Final = "pins.toml"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator in one release.

    Attributes:
        name: as `--operators` knows it.
        title: for a person, with the release.
        group: the API group that an overlay's objects name.
        crd: the CustomResourceDefinition that tells whether it is there.
        folder: of its files, in the cache and in what --manifests names.
        at: where they are fetched from; ends in a slash.
        images: what its pods run, for who has no registry.
        files: name -> SHA-256, in hexadecimal, in the order in which they are read.
    """

    name: str
    title: str
    group: str
    crd: str
    folder: str
    at: str
    images: tuple[str, ...]
    files: Mapping[str, str]


@cache
def pinned_operators() -> tuple[Operator, ...]:
    """All of them."""
    document = tomllib.loads((files(__package__) / _FILE).read_text(encoding="utf-8"))
    return tuple(
        Operator(
            name=name,
            title=entry["title"],
            group=entry["group"],
            crd=entry["crd"],
            folder=entry["folder"],
            at=entry["at"],
            images=tuple(entry["images"]),
            files=entry["files"],
        )
        for name, entry in document.items()
    )
