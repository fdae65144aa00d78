"""The little Markdown that the generated parts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell does not end the cell."""
    lines = [_row(headers), _row(["---"] * len(headers))]
    lines += [_row([cell.replace("|", r"\|") for cell in row]) for row in rows]
    return "\n".join(lines)


def code(text: str) -> str:
    """Text in code style; nothing for an empty text."""
    return f"`{text}`" if text else ""


def one_line(text: str | None) -> str:
    """A docstring or a wrapped text as one line."""
    return " ".join((text or "").split())


def mermaid(lines: Iterable[str]) -> str:
    """A picture that GitHub and most editors draw."""
    return "\n".join(["```mermaid", *lines, "```"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
