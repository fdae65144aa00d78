"""Console blocks of a Markdown page: what is typed after `$ `, and what the page shows below it.

Pure. Only the parser says what a block is: one that is quoted or indented elsewhere is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

PROMPT: Final = "$ "
LANGUAGE: Final = "console"

# A remark behind a command is for the reader; two words of a command have no `# ` between them.
_REMARK: Final = re.compile(r"\s+# ")


@dataclass(frozen=True, slots=True)
class ConsoleBlock:
    """One block.

    Attributes:
        heading: of the second level, above it; empty before the first.
        words: what stands behind `console` in its first line.
        line: the number of its first line, the fence, counted from 1.
        lines: as they stand there, with prompts, remarks and answers.
    """

    heading: str
    words: str
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypedLine:
    """One command, and the lines shown below it.

    Attributes:
        line: its number within the block, counted from 0.
    """

    command: str
    shown: tuple[str, ...]
    line: int


def console_blocks(text: str) -> list[ConsoleBlock]:
    """Every console block of a page, in its order."""
    found = []
    heading = ""
    # No extension: a page means what CommonMark says that it means.
    tokens = MarkdownIt("commonmark").parse(text)
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            heading = tokens[number + 1].content
        if token.type != "fence" or token.map is None:
            continue
        language, _, words = token.info.strip().partition(" ")
        if language == LANGUAGE:
            lines = tuple(token.content.splitlines())
            found.append(ConsoleBlock(heading, words.strip(), token.map[0] + 1, lines))
    return found


def headings(text: str) -> list[str]:
    """The headings of the second level, in their order."""
    tokens = MarkdownIt("commonmark").parse(text)
    return [
        tokens[number + 1].content
        for number, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h2"
    ]


def typed_lines(lines: tuple[str, ...]) -> list[TypedLine]:
    """The commands of a block; what stands before the first prompt belongs to none."""
    found: list[TypedLine] = []
    for number, line in enumerate(lines):
        if line.startswith(PROMPT):
            command = _REMARK.split(line.removeprefix(PROMPT))[0].strip()
            found.append(TypedLine(command, (), number))
        elif found:
            last = found[-1]
            found[-1] = TypedLine(last.command, (*last.shown, line), last.line)
    return found
