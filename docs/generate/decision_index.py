"""The index of decisions: number, title, state, and the words somebody would look for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docs.generate.markdown import table

FOLDER: Final = Path(__file__).resolve().parents[2] / "decisions"

_HEAD: Final = re.compile(
    r"# (?P<number>\d{4})\. (?P<title>.+)\n\n"
    r"Status: (?P<status>accepted(?:, supersedes \d{4})?|superseded by \d{4})\."
    r" About: (?P<about>.+)\.\n"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the head of a decision says."""

    path: Path
    number: str
    title: str
    status: str
    about: str


def entries() -> list[Entry]:
    """The head of every decision, by number.

    Raises:
        ValueError: one has no such head.
    """
    found = []
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        head = _HEAD.match(path.read_text(encoding="utf-8"))
        if head is None:
            raise ValueError(
                f"{path.name} does not begin with its title, an empty line, and"
                " `Status: accepted. About: the words one would look for.`"
            )
        found.append(Entry(path, **head.groupdict()))
    return found


def index() -> str:
    """The table of all decisions."""
    listed = entries()
    files = {entry.number: entry.path.name for entry in listed}
    return table(
        ("number", "decision", "about", "status"),
        [
            (
                entry.number,
                f"[{entry.title}]({entry.path.name})",
                entry.about,
                _linked(entry.status, files),
            )
            for entry in listed
        ],
    )


def _linked(status: str, files: dict[str, str]) -> str:
    """The status with the other decision as a link."""
    return re.sub(r"\d{4}", lambda found: f"[{found[0]}]({files[found[0]]})", status)
