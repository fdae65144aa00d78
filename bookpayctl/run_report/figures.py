"""The figures of a run's page: SVG of a fixed size, of bins and not of orders. Pure.

Three figures share one axis of time, so that what lies above each other happened together. Times in
which a fault lasted are shaded, what was done is a numbered line; the numbers are those of the
table on the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.run_report.course import Course, Window
from bookpayctl.run_report.markup import Markup, element, joined

WIDTH: Final = 960
LEFT: Final = 56
RIGHT: Final = 14
TOP: Final = 30
BOTTOM: Final = 26
PLOT_WIDTH: Final = WIDTH - LEFT - RIGHT
PLOT_HEIGHT: Final = 130

CLUSTER_WIDTH: Final = 18.0
"""Marks nearer to each other than this share one number."""

TICKS_MAX: Final = 9
_STEPS_SECONDS: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800),
    *(3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800),
)
_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where seconds and values lie."""

    window: Window
    top_value: float

    def x(self, seconds: float) -> float:
        return LEFT + PLOT_WIDTH * seconds / self.window.seconds

    def y(self, value: float) -> float:
        return TOP + PLOT_HEIGHT * (1 - value / self.top_value)


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, and what it comes to in one sentence."""

    drawn: Markup
    words: str


def orders_figure(course: Course) -> Figure:
    """Orders placed in each bin, by what became of them, with faults and recoveries."""
    totals = [sum(counts[n] for counts in course.placed.values()) for n in range(_bins(course))]
    frame = _Frame(course.window, nice_top(max(totals, default=0)))
    about = ", ".join(f"{sum(c)} {status}" for status, c in course.placed.items() if sum(c))
    title = f"{course.orders} orders by when they were placed: {about or 'none'}."
    return _figure(course, frame, title, "orders", joined(_bars(course, frame)))


def latency_figure(course: Course) -> Figure:
    """Seconds from an order to its end, median and 99th percentile of each bin."""
    known = [latency for latency in course.latencies if latency is not None]
    worst = max((latency.worst for latency in known), default=0.0)
    top = max((latency.p99 for latency in known), default=0.0)
    frame = _Frame(course.window, nice_top(top, whole=False))
    medians = [None if latency is None else latency.median for latency in course.latencies]
    p99s = [None if latency is None else latency.p99 for latency in course.latencies]
    body = joined(_line(frame, p99s, "p99"), _line(frame, medians, "median"))
    words = f"Seconds from order to its end; the slowest took {worst:.2f} s."
    return _figure(course, frame, words, "s", body)


def backlog_figure(course: Course) -> Figure:
    """Orders without an end, and events not published, at the end of each bin."""
    unpublished = course.unpublished or ()
    top = max([0, *course.open_orders, *unpublished])
    frame = _Frame(course.window, nice_top(top))
    body = joined(
        _line(frame, list(course.open_orders), "open", at_end=True),
        _line(frame, list(unpublished), "unpublished", at_end=True),
    )
    words = f"At most {max(course.open_orders, default=0)} orders without an end"
    if course.unpublished is not None:
        words += f", at most {max(unpublished, default=0)} events not published"
    return _figure(course, frame, f"{words}.", "waiting", body)


def nice_top(value: float, *, whole: bool = True) -> float:
    """The least of 1, 2 and 5 times a power of ten that is not below the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    top = next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))
    return max(1.0, top) if whole else top


def tick_seconds(seconds: float) -> float:
    """How far apart the numbers of the time axis stand."""
    return next((s for s in _STEPS_SECONDS if seconds / s <= TICKS_MAX), seconds / TICKS_MAX)


def seconds_text(seconds: float) -> str:
    """A time since the beginning for a person: `+15 s`, `+5 min`, `+2 h`, `+3 d`."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"+{seconds / unit:.0f} {name}"
    return f"+{seconds:g} s"


def mark_groups(course: Course) -> list[tuple[float, str]]:
    """Where marks are drawn, and their numbers: those that lie together share one place."""
    groups: list[tuple[float, list[int]]] = []
    for number, mark in enumerate(course.marks, start=1):
        x = LEFT + PLOT_WIDTH * course.window.offset(mark.at) / course.window.seconds
        if groups and x - groups[-1][0] < CLUSTER_WIDTH:
            groups[-1][1].append(number)
        else:
            groups.append((x, [number]))
    return [(x, str(n[0]) if len(n) == 1 else f"{n[0]}-{n[-1]}") for x, n in groups]


def _figure(course: Course, frame: _Frame, words: str, unit: str, body: Markup) -> Figure:
    height = TOP + PLOT_HEIGHT + BOTTOM
    drawn = element(
        "svg",
        element("title", words),
        _spans(course, frame),
        _grid(frame, unit),
        body,
        _marks(course),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )
    return Figure(drawn, words)


def _bars(course: Course, frame: _Frame) -> Iterator[Markup]:
    seconds = course.window.bin_seconds
    width = max(0.6, PLOT_WIDTH / _bins(course) - 0.6)
    for number in range(_bins(course)):
        x, below = frame.x(number * seconds), 0
        for status, counts in course.placed.items():
            if counts[number]:
                y = frame.y(below + counts[number])
                yield element(
                    "rect",
                    element("title", f"{counts[number]} {status}"),
                    class_=f"bar {status if status in _KNOWN else 'other'}",
                    x=x,
                    y=y,
                    width=width,
                    height=frame.y(below) - y,
                )
                below += counts[number]
        if course.offenders[number]:
            words = f"{course.offenders[number]} that an answer names as wrong"
            yield element(
                "path",
                element("title", words),
                class_="offender",
                d=_cross(x + width / 2, frame.y(below) - 7),
            )


_KNOWN: Final = frozenset({"paid", "refunded", "cancelled", "pending"})


def _cross(x: float, y: float) -> str:
    return f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"


def _line(
    frame: _Frame, values: Sequence[float | None], name: str, *, at_end: bool = False
) -> Markup:
    """A curve through the middle of each bin, or through its end; gaps stay gaps."""
    offset = 1.0 if at_end else 0.5
    parts: list[Markup] = []
    points: list[str] = []
    for number, value in enumerate([*values, None]):
        if value is not None:
            x = frame.x((number + offset) * frame.window.bin_seconds)
            points.append(f"{x:.1f},{frame.y(value):.1f}")
        elif points:
            parts.append(_stroke(points, name))
            points = []
    return joined(parts)


def _stroke(points: Sequence[str], name: str) -> Markup:
    if len(points) > 1:
        return element("polyline", class_=f"line {name}", points=" ".join(points))
    x, y = points[0].split(",")
    return element("circle", class_=f"dot {name}", cx=x, cy=y, r="2.2")


def _spans(course: Course, frame: _Frame) -> Markup:
    parts = []
    for span in course.spans:
        left = frame.x(course.window.offset(span.began_at))
        right = frame.x(course.window.offset(span.ended_at))
        seconds = (span.ended_at - span.began_at).total_seconds()
        parts.append(
            element(
                "rect",
                element("title", f"{span.words}, {seconds:.1f} s"),
                class_="span",
                x=left,
                y=float(TOP),
                width=max(1.0, right - left),
                height=float(PLOT_HEIGHT),
            )
        )
    return joined(parts)


def _grid(frame: _Frame, unit: str) -> Markup:
    right, bottom = float(LEFT + PLOT_WIDTH), float(TOP + PLOT_HEIGHT)
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = frame.y(frame.top_value * share)
        parts.append(element("line", class_="grid", x1=float(LEFT), x2=right, y1=y, y2=y))
        label = f"{frame.top_value * share:g}" + (f" {unit}" if share == 1.0 else "")
        anchor = "start" if share == 1.0 else "end"
        x = 2.0 if share == 1.0 else LEFT - 6.0
        parts.append(element("text", label, x=x, y=y - (8 if share == 1.0 else -4),
                             text_anchor=anchor))  # fmt: skip
    step = tick_seconds(frame.window.seconds)
    for number in range(math.floor(frame.window.seconds / step) + 1):
        x = frame.x(number * step)
        parts.append(element("line", class_="tick", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        parts.append(
            element("text", seconds_text(number * step), x=x, y=bottom + 18, text_anchor="middle")
        )
    return joined(parts)


def _marks(course: Course) -> Markup:
    bottom = float(TOP + PLOT_HEIGHT)
    return joined(
        element(
            "g",
            element("line", class_="mark", x1=x, x2=x, y1=18.0, y2=bottom),
            element("text", label, class_="number", x=x, y=13.0, text_anchor="middle"),
        )
        for x, label in mark_groups(course)
    )


def _bins(course: Course) -> int:
    return course.window.bins
