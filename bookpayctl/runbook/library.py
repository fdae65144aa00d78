"""The runbooks there are: beside the packages, in a clone as in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.runbook.page import Runbook, RunbookError, runbook


def folder() -> Path:
    """Where the pages lie.

    Raises:
        RunbookError: they are not there.
    """
    package = Path(__file__).parents[1]
    for place in (package.parent / "runbooks", package / "runbooks"):
        if place.is_dir():
            return place
    raise RunbookError(f"no folder runbooks/ beside {package}; is the installation whole?")


def slugs() -> list[str]:
    """The names of all of them, by the alphabet."""
    return sorted(path.stem for path in folder().glob("*.md"))


def text_of(slug: str) -> str:
    """A page as it is written.

    Raises:
        RunbookError: there is none of that name.
    """
    if slug not in slugs():
        raise RunbookError(f"no runbook {slug!r}; there are: {', '.join(slugs())}")
    return (folder() / f"{slug}.md").read_text(encoding="utf-8")


def find(slug: str) -> Runbook:
    """A page, read.

    Raises:
        RunbookError: there is none of that name, or it cannot be read.
    """
    return runbook(slug, text_of(slug))
