"""What judging costs by size of shop, drawn: one line a step, both scales logarithmic. Pure.

A cost that grows no faster than the shop runs along, or falls below, the dashed line through the
first size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 640
HEIGHT: Final = 400
LEFT: Final = 70
RIGHT: Final = 130
TOP: Final = 30
BOTTOM: Final = 60
LABEL_HEIGHT: Final = 15
DASHED: Final = ' stroke-dasharray="2 4"'

# Told apart in print and by the colour-blind, too (Okabe and Ito).
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")

Points = Sequence[tuple[int, float]]
"""Orders and seconds, by size."""


def cost_plot(lines: Mapping[str, Points], *, title: str, note: str) -> str:
    """An SVG of seconds of processors over orders; each line has the same sizes.

    Args:
        note: what was measured beside what, below the picture.
    """
    points = [point for line in lines.values() for point in line]
    sizes = sorted({orders for orders, _ in points})
    linear = {
        name: [(orders, line[0][1] * orders / line[0][0]) for orders, _ in line]
        for name, line in lines.items()
    }
    seconds = [value for line in (*lines.values(), *linear.values()) for _, value in line]
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))

    def x(orders: int) -> float:
        across = math.log10(orders / sizes[0]) / (math.log10(sizes[-1] / sizes[0]) or 1.0)
        return LEFT + across * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        up = (math.log10(value) - low) / (high - low)
        return HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def path(line: Points) -> str:
        return " ".join(f"{x(orders):.1f},{y(value):.1f}" for orders, value in line)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 18, title, "start"),
    ]
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts += [
            f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            _text(LEFT - 6, at + 4, f"{10.0**power:g} s", "end"),
        ]
    parts += [_text(x(size), HEIGHT - BOTTOM + 18, f"{size:,}", "middle") for size in sizes]
    label_at = 0.0
    highest_first = sorted(lines.items(), key=lambda named: -named[1][-1][1])
    for colour, (name, line) in zip(COLOURS, highest_first, strict=False):
        # Lines that end close to each other still have a label each.
        label_at = max(label_at + LABEL_HEIGHT, y(line[-1][1]) + 4)
        parts += [
            f'<polyline points="{path(linear[name])}" fill="none" stroke="{colour}"{DASHED}/>',
            f'<polyline points="{path(line)}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{x(o):.1f}" cy="{y(s):.1f}" r="3" fill="{colour}"/>' for o, s in line),
            _text(x(line[-1][0]) + 8, label_at, f"{name} {line[-1][1]:.1f} s", "start"),
        ]
    parts += [_text(LEFT, HEIGHT - 14, note, "start"), "</svg>"]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
