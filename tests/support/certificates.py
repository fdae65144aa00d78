"""Certificates for a server on this machine, made by openssl, which a test asks for beforehand."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

_SECONDS_MAX: Final = 30


def openssl(folder: Path, *arguments: str) -> None:
    """Run it in a folder; what it says is shown where it fails."""
    subprocess.run(
        ["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=_SECONDS_MAX
    )


def self_signed(folder: Path, name: str, subject: str) -> None:
    """`name.crt` and `name.key`, its own authority; for a subject that is an address of IP also."""
    more = ["-addext", f"subjectAltName=IP:{subject}"] if subject[:1].isdigit() else []
    openssl(
        folder,
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *more),
        *("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={subject}"),
    )
