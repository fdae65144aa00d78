"""Which runtime this process runs: the package's version, and a digest of the code itself.

A version stays the same between two releases; the digest does not, so that processes of two images
can be told apart. Told once, at the start: what a process runs is what it read then.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "bookpay"
NOT_INSTALLED: Final = "unknown"
"""Of code that runs from a folder, beside no installed package."""

DIGEST_LENGTH: Final = 12
"""Twelve hexadecimal digits: two images among a few never share them by accident."""


def package_version() -> str:
    """The installed package's version."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED


def source_digest(root: Path | None = None) -> str:
    """The beginning of a SHA-256 over every module and statement of the runtime, by its name.

    Args:
        root: the package's folder; default: this one.
    """
    folder = root or Path(__file__).parent
    digest = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.suffix in (".py", ".sql"))
    for path in sorted(files):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:DIGEST_LENGTH]
