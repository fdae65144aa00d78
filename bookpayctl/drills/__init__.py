"""Drills: one file for each, listed in `catalogue`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bookpayctl.drills.catalogue import BY_SLUG, Entry

if TYPE_CHECKING:
    from bookpayctl.drill.scenario import Drill


def load_drill(entry: Entry) -> Drill:
    """The drill behind a line of the catalogue.

    Raises:
        ImportError: its module is missing or broken.
        LookupError: the module's drill has another name.
    """
    drill: Drill = import_module(entry.module).DRILL
    if drill.slug != entry.slug:
        raise LookupError(f"{entry.module} holds {drill.slug!r}, the catalogue says {entry.slug!r}")
    return drill


def find_drill(slug: str) -> Drill | None:
    """The drill of that name."""
    entry = BY_SLUG.get(slug)
    return None if entry is None else load_drill(entry)
