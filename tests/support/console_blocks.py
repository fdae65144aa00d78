"""The console blocks of the pages: what a reader would type, as runbooks read them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.runbook.console import console_blocks as page_blocks
from bookpayctl.runbook.console import typed_lines
from docs.generate.pages import ROOT, pages

SECONDS_MAX: Final = 300


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        page: its path in the repository.
        lines: as they stand there, with prompts, comments and what is answered.
    """

    page: str
    lines: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """What is typed, without the remark behind it."""
        return tuple(typed.command for typed in typed_lines(self.lines))

    def shown_after(self, command: str) -> tuple[str, ...]:
        """What the page says that a command answers; nothing where it does not say."""
        return tuple(
            line
            for typed in typed_lines(self.lines)
            if typed.command == command
            for line in typed.shown
        )


def console_blocks() -> Iterator[Block]:
    """Every one, in the order of the pages."""
    for page in pages():
        for block in page_blocks(page.read_text()):
            yield Block(str(page.relative_to(ROOT)), block.lines)


@dataclass(frozen=True)
class Typed:
    """One line that was typed, and what came of it."""

    line: str
    code: int
    out: str
    err: str


def typed_into_one_shell(
    lines: Sequence[str], directory: Path, variables: Mapping[str, str]
) -> list[Typed]:
    """Type the lines one after another into one bash, as a reader does; none stops the next."""
    kept = directory / ".typed"
    kept.mkdir(exist_ok=True)
    script = "".join(
        # In the shell itself, so that what a line exports is there for the next.
        f"{{ {line}\n}} >.typed/{n}.out 2>.typed/{n}.err; echo $? >.typed/{n}.code\n"
        for n, line in enumerate(lines)
    )
    subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=directory,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        timeout=SECONDS_MAX,
        check=False,
    )
    return [
        Typed(
            line,
            int((kept / f"{n}.code").read_text()),
            (kept / f"{n}.out").read_text(errors="replace"),
            (kept / f"{n}.err").read_text(errors="replace"),
        )
        for n, line in enumerate(lines)
    ]


def plain_variables(directory: Path) -> dict[str, str]:
    """A shell's variables without any of bookpay's, nor of the tests' own."""
    kept = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME") if name in os.environ}
    return {**kept, "HOME": os.environ.get("HOME", str(directory)), "NO_COLOR": "1"}
