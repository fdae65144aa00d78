"""A digest of what is simulated and of what simulates: with a seed, it names a run exactly."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable


@cache
def source_digest() -> str:
    """Of `runtime.domain` and of this package, in the order of their names."""
    digest = sha256()
    for package in ("runtime.domain", "bookpayctl.simulation"):
        for name, text in sorted(_sources(files(package), package)):
            digest.update(name.encode() + b"\0" + text)
    return digest.hexdigest()[:16]


def _sources(folder: Traversable, name: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _sources(entry, f"{name}.{entry.name}")
        elif entry.name.endswith(".py"):
            found.append((f"{name}.{entry.name}", entry.read_bytes()))
    return found
