"""The load's live line on a terminal: a bar, the outcomes so far and the latency so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bookpayctl.render import console

if TYPE_CHECKING:
    from bookpayctl.load import Progress


@contextmanager
def live_load(planned: int) -> Iterator[Callable[[Progress], None]]:
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


def summary(seen: Progress) -> str:
    """Outcomes and accept latency so far, in one line."""
    ok, fail, unknown = (seen.outcomes.get(name, 0) for name in ("ok", "fail", "unknown"))
    middle, tail = seen.accept_ms["p50"], seen.accept_ms["p99"]
    latency = "" if middle is None else f", accept p50 {middle:g} ms p99 {tail:g} ms"
    under_way = seen.sent - seen.answered
    return f"{ok} ok, {fail} refused, {unknown} unknown, {under_way} under way{latency}"
