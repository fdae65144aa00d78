"""SELECTs of our own tables that lie beside a package's code: one file each, `ours/TABLE.sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def selects_of(package: str) -> dict[str, str]:
    """The SELECT of each table of ours, by the table of the package's ledgers that it fills."""
    folder = files(package).joinpath("ours")
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    }
