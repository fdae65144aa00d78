"""The picture of a kept run of `growth`: a panel for each hot path, its cost against size.

    python -m benchmarks.growth_plot docs/growth.json docs/growth.svg

It prints the same as a table for a page.

Costs are shown as multiples of the cost at the smallest size, so that microseconds and seconds have
the same scale and the bound is one line everywhere. Pure but for reading and writing the files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.growth import RATIO_MAX
from benchmarks.growth_stage import TIMES
from benchmarks.runner.result import BenchResult, Spread, result_of

COLUMNS: Final = 5
PANEL_WIDTH: Final = 196
PANEL_HEIGHT: Final = 150
MARGIN: Final = 34
HEAD: Final = 46
FOOT: Final = 44

# Told apart in print and by the colour-blind, too (Okabe and Ito).
CLOCK: Final = "#0072b2"
PROCESSOR: Final = "#d55e00"
BOUND: Final = "#999"

# What does not fit is drawn at the edge, with its number.
RATIO_SHOWN_MAX: Final = 2.5


def drawn(result: BenchResult) -> str:
    """The SVG."""
    names = list(result.titles)
    rows = -(-len(names) // COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH + 20, HEAD + rows * PANEL_HEIGHT + FOOT
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            ' font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(14, 18, "cost of one item against size, as a multiple of the cost at 1 x", size=14),
        _text(14, 35, "by the clock", colour=CLOCK),
        _text(90, 35, "of processors", colour=PROCESSOR),
        _text(180, 35, f"dashed: {RATIO_MAX:g} times, the bound", colour="#666"),
    ]
    for number, name in enumerate(names):
        across, down = number % COLUMNS, number // COLUMNS
        moved = f"translate({10 + across * PANEL_WIDTH} {HEAD + down * PANEL_HEIGHT})"
        parts.append(f'<g transform="{moved}">{"".join(_panel(result, name))}</g>')
    parts += [_text(14, height - 14, _foot(result)), "</svg>"]
    return "\n".join(parts) + "\n"


def table(result: BenchResult) -> str:
    """A line for each path, as Markdown."""
    lines = [
        "| path | 1 x | 10 x | 100 x | 100 x to 1 x, clock | 100 x to 1 x, processors |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in result.titles:
        at = [_cost(result.spread(name, f"at_{times}x")) for times in TIMES]
        ratios = [_ratio(result.spread(name, f"{kind}_100x")) for kind in ("ratio", "cpu_ratio")]
        lines.append(f"| {' | '.join([f'`{name}`', *at, *ratios])} |")
    return "\n".join(lines)


def _ratio(one: Spread | None) -> str:
    return "-" if one is None else f"{one.median:.2f} ({one.least:.2f}-{one.greatest:.2f})"


def _foot(result: BenchResult) -> str:
    loads = [one.load for one in result.rounds]
    return (
        f"medians of {result.settings['rounds']:g} rounds, least and greatest; load average"
        f" {min(loads):.0f} to {max(loads):.0f} on {result.machine['processors']} processors"
    )


def _panel(result: BenchResult, name: str) -> Iterator[str]:
    left, right, top, bottom = MARGIN, PANEL_WIDTH - 12, 24, PANEL_HEIGHT - 24

    def x(number: int) -> float:
        return left + (right - left) * (0.08 + 0.84 * number / (len(TIMES) - 1))

    def y(ratio: float) -> float:
        return bottom - (bottom - top) * min(ratio, RATIO_SHOWN_MAX) / RATIO_SHOWN_MAX

    yield _text(left, 12, name, size=12)
    for ratio in (0.0, 1.0, 2.0):
        yield f'<path d="M{left} {y(ratio):.1f}H{right}" stroke="#e4e4e4"/>'
        yield _text(left - 5, y(ratio) + 4, f"{ratio:g}", anchor="end", colour="#666")
    yield f'<path d="M{left} {y(RATIO_MAX):.1f}H{right}" stroke="{BOUND}" stroke-dasharray="4 3"/>'
    for number, times in enumerate(TIMES):
        label = f"{times} x" if number else f"1 x: {_cost(result.spread(name, 'at_1x'))}"
        yield _text(x(number), bottom + 15, label, anchor="middle", colour="#666")
    for colour, prefix, shift in ((CLOCK, "ratio", -2.5), (PROCESSOR, "cpu_ratio", 2.5)):
        found = [result.spread(name, f"{prefix}_{times}x") for times in TIMES[1:]]
        known = [Spread(1.0, 1.0, 1.0), *(one for one in found if one is not None)]
        if len(known) == len(TIMES):
            places = [(x(number) + shift, one) for number, one in enumerate(known)]
            yield from _line(places, colour, y)


def _line(
    places: Sequence[tuple[float, Spread]], colour: str, y: Callable[[float], float]
) -> Iterator[str]:
    points = " ".join(f"{at:.1f},{y(one.median):.1f}" for at, one in places)
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for at, one in places:
        yield (
            f'<path d="M{at:.1f} {y(one.least):.1f}V{y(one.greatest):.1f}" stroke="{colour}"/>'
            f'<circle cx="{at:.1f}" cy="{y(one.median):.1f}" r="2.5" fill="{colour}"/>'
        )
    at, last = places[-1]
    yield _text(at + 4, y(last.median) - 5, f"{last.median:.2f}", anchor="end", colour=colour)


def _cost(one: Spread | None) -> str:
    """In the unit that fits."""
    if one is None:
        return "-"
    for unit, microseconds in (("s", 1e6), ("ms", 1e3)):
        if one.median >= microseconds:
            return f"{one.median / microseconds:.3g} {unit}"
    return f"{one.median:.3g} us"


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", colour: str = "#222", size: int = 0
) -> str:
    sized = f' font-size="{size}"' if size else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{sized}>'
        f"{escape(words)}</text>"
    )


def main() -> int:
    """Read the run, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    result = result_of(json.loads(given.run.read_text()))
    given.picture.write_text(drawn(result), encoding="utf-8")
    print(table(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
