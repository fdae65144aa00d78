"""Long work on stderr: the steps of `up`, one line a part, and the one live line of a load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from bookpayctl.cli.output import console, hint, is_interactive
from bookpayctl.targets.platform import UpStep

if TYPE_CHECKING:
    from bookpayctl.load.sender import LoadProgress as LoadProgress


LINE_SECONDS: Final = 5.0


class StepProgress:
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

    def tell(self, step: UpStep) -> None:
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


@contextmanager
def live_load(planned: int) -> Iterator[Callable[[LoadProgress], None]]:
    """Draws on stderr while the block runs; the function yielded shows one state."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.completed}/{task.total} sent"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[summary]}"),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("load", total=planned, summary="")
        yield lambda seen: bar.update(task, completed=seen.sent, summary=summary(seen))


def summary(seen: LoadProgress) -> str:
    """Outcomes and accept latency so far, in one line."""
    ok, fail, unknown = (seen.outcomes.get(name, 0) for name in ("ok", "fail", "unknown"))
    middle, tail = seen.accept_ms["p50"], seen.accept_ms["p99"]
    latency = "" if middle is None else f", accept p50 {middle:g} ms p99 {tail:g} ms"
    under_way = seen.sent - seen.answered
    return f"{ok} ok, {fail} refused, {unknown} unknown, {under_way} under way{latency}"


class LoadLines:
    """Where nobody watches: one line every few seconds, and the last one."""

    def __init__(self, planned: int) -> None:
        self._planned = planned
        self._spoke_at = time.monotonic()

    def __call__(self, seen: LoadProgress) -> None:
        if time.monotonic() - self._spoke_at < LINE_SECONDS and seen.answered != self._planned:
            return
        self._spoke_at = time.monotonic()
        hint(f"{seen.sent}/{seen.planned} sent, {summary(seen)}")
