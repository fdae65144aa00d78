"""Mappings to begin with, as files: ours, and stacks that many have."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

SUFFIX: Final = ".toml"


def names() -> list[str]:
    """What there is, by name."""
    found = (entry.name for entry in files(__package__).iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))


def text_of(name: str) -> str:
    """The mapping's text; the name is one of `names`."""
    return files(__package__).joinpath(f"{name}{SUFFIX}").read_text(encoding="utf-8")
