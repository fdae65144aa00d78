"""Which revision of the source comes into an image, as git tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bookpayctl.image.errors import ImageError
from bookpayctl.image.programs import run_program

# What an image is made of. A commit that touches none of it makes no other image.
_DECISIVE: Final = ("bookpayctl", "runtime", "manifests", "runbooks", "requirements.lock")
_SECONDS_MAX: Final = 30.0


def revision_of(checkout: Path) -> str:
    """The last commit that changed what comes into the image; with `-dirty` when that is edited.

    Empty where nobody knows: no checkout, or no git.
    """
    if not (checkout / ".git").exists():
        return ""
    commit = _git(checkout, "log", "-1", "--format=%H")
    edited = _git(checkout, "status", "--porcelain")
    return f"{commit}-dirty" if commit and edited else commit


def _git(checkout: Path, *words: str) -> str:
    try:
        ran = run_program(
            ["git", "-C", str(checkout), *words, "--", *_DECISIVE], seconds_max=_SECONDS_MAX
        )
    except ImageError:
        return ""
    return ran.out.strip() if ran.code == 0 else ""
