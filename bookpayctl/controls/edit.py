"""A change of a text as data: exact, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Edit:
    """One exact change of one file; `file` is relative to the folder that is changed."""

    file: str
    old: str
    new: str


class NotApplicableError(Exception):
    """The text to replace is not there exactly once, or what came of it does not compile."""


def changed_texts(root: Path, edits: Iterable[Edit]) -> Mapping[str, str]:
    """The files that the edits change, by name, as they would be.

    Raises:
        NotApplicableError: see there.
    """
    texts: dict[str, str] = {}
    for edit in edits:
        path = root / edit.file
        if not path.is_file():
            raise NotApplicableError(f"{edit.file} is not there")
        text = texts.get(edit.file) or path.read_text()
        found = text.count(edit.old)
        if found != 1:
            line = edit.old.strip().splitlines()[0]
            raise NotApplicableError(f"{edit.file} has {line!r} {found} times")
        texts[edit.file] = text.replace(edit.old, edit.new)
    for name, text in texts.items():
        if name.endswith(".py"):
            try:
                compile(text, name, "exec")
            except SyntaxError as error:
                raise NotApplicableError(f"{name} does not compile: {error}") from error
    return texts


def apply(root: Path, edits: Iterable[Edit]) -> None:
    """Write the changes into the tree at `root`, which is a copy.

    Raises:
        NotApplicableError: nothing was written.
    """
    for name, text in changed_texts(root, edits).items():
        path = root / name
        path.write_text(text)
        # A compiled file is recognised by second and size; a quick edit can keep both.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
