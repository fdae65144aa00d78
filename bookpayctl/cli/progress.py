"""What `up` is doing, on stderr: one line per part, and on a terminal a spinner under them."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self, TextIO

from bookpayctl.render import console, hint, is_interactive
from bookpayctl.targets.local.up import Step


class Progress:
    """Lines for what is done; what is being worked on shows only on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._console = console(stderr=True) if is_interactive(stream) else None
        self._stack = ExitStack()
        self._begun: set[str] = set()

    def __enter__(self) -> Self:
        if self._console is not None:
            self._status = self._stack.enter_context(self._console.status("starting"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def tell(self, step: Step) -> None:
        """Show one step. In a log, of the steps that replace each other only the first is kept."""
        text = f"{step.part:<26} {step.text}"
        if self._console is None:
            if not step.transient or step.part not in self._begun:
                hint(text)
        elif step.transient:
            self._status.update(f"{text} {_bar(step.fraction)}")
        else:
            self._console.print(text, markup=False)
            self._status.update("waiting for the others")
        if step.transient:
            self._begun.add(step.part)


def _bar(fraction: float | None) -> str:
    """Twenty characters of progress; nothing where the end is not known."""
    if fraction is None:
        return ""
    filled = round(20 * fraction)
    return f"{'━' * filled}{'╌' * (20 - filled)}"
