"""A run as a table for a terminal, and as one page with a picture. Pure; text out."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from benchmarks.runner.result import BenchResult, Change, Metric, Spread

_BAR_HEIGHT: Final = 22
_BAR_WIDTH: Final = 420
_LABEL_WIDTH: Final = 230

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}"
    "td:first-child,th:first-child{text-align:left}tr:nth-child(even){background:#f4f4f4}"
    "small{color:#666}.busy{background:#fff3cd;padding:.5em 1em}"
)


def table(result: BenchResult) -> str:
    """A column for each metric, a line for each contender, the spread below it."""
    metrics = [metric for metric in result.metrics if _has(result, metric)]
    heads = ["contender", *(f"{metric.title}, {metric.unit}" for metric in metrics), "load"]
    lines = [heads]
    for name in result.titles:
        found = [result.spread(name, metric.name) for metric in metrics]
        load = result.loads(name)
        lines.append([name, *(_median(one) for one in found), f"{load.median:.1f}"])
        lines.append(["", *(_edges(one) for one in found), f"{load.least:.1f}-{load.greatest:.1f}"])
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    shown = [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*shown, "", *notes(result)])


def notes(result: BenchResult) -> list[str]:
    """What the figures are of, and what to think of them."""
    asked = ", ".join(f"{name} {value:g}" for name, value in result.settings.items())
    machine = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    busy = ["the machine was busy when it began: ratios within this run count, times do not"]
    return [
        *(f"{name}: {title}" for name, title in result.titles.items()),
        f"{asked}; {machine}",
        *(busy if result.was_busy else []),
    ]


def changes_told(changes: Iterable[Change]) -> list[str]:
    """A line for each change beyond the spread; one that says so where there is none."""
    lines = [
        f"{one.contender}: {one.metric.title} {_number(one.before.median)} ->"
        f" {_number(one.now.median)} {one.metric.unit} ({one.ratio:.2f} times,"
        f" {'better' if one.is_better else 'worse'})"
        for one in changes
    ]
    return lines or ["nothing changed beyond the spread"]


def page(result: BenchResult) -> str:
    """One HTML file that loads nothing: the table, and a picture for each metric."""
    metrics = [metric for metric in result.metrics if _has(result, metric)]
    heads = "".join(f"<th>{html.escape(m.title)}<br><small>{m.unit}</small></th>" for m in metrics)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(_cell(result.spread(name, metric.name)) for metric in metrics)
        + f"<td>{result.loads(name).median:.1f}</td></tr>"
        for name in result.titles
    )
    told = "".join(f"<p><small>{html.escape(line)}</small></p>" for line in notes(result))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{result.suite}</title>'
        f"<style>{_STYLE}</style><h1>{result.suite}</h1>"
        f"<table><tr><th>contender</th>{heads}<th>load</th></tr>{rows}</table>{told}"
        + "".join(f"<h2>{html.escape(m.title)}, {m.unit}</h2>{picture(result, m)}" for m in metrics)
        + "</html>\n"
    )


def picture(result: BenchResult, metric: Metric) -> str:
    """Bars of the medians with their spread, as SVG."""
    found = [(name, one) for name in result.titles if (one := result.spread(name, metric.name))]
    top = max((one.greatest for _, one in found), default=0.0) or 1.0
    width, height = _LABEL_WIDTH + _BAR_WIDTH + 120, _BAR_HEIGHT * len(found) + 8
    bars = "".join(_bar(n, name, one, top) for n, (name, one) in enumerate(found))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' font-family="system-ui,sans-serif" font-size="13"><title>{html.escape(metric.title)},'
        f" {metric.unit}</title>{bars}</svg>"
    )


def _bar(number: int, name: str, one: Spread, top: float) -> str:
    y = 4 + number * _BAR_HEIGHT
    middle = y + _BAR_HEIGHT / 2 - 2
    end, least, greatest = (
        _LABEL_WIDTH + _BAR_WIDTH * value / top for value in (one.median, one.least, one.greatest)
    )
    return (
        f'<text x="{_LABEL_WIDTH - 8}" y="{middle + 4:.0f}" text-anchor="end">'
        f"{html.escape(name)}</text>"
        f'<rect x="{_LABEL_WIDTH}" y="{y}" width="{max(1.0, end - _LABEL_WIDTH):.1f}"'
        f' height="{_BAR_HEIGHT - 6}" fill="#4c78a8"/>'
        f'<line x1="{least:.1f}" x2="{greatest:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"'
        ' stroke="#222" stroke-width="2"/>'
        f'<text x="{greatest + 6:.1f}" y="{middle + 4:.0f}">{_number(one.median)}</text>'
    )


def _has(result: BenchResult, metric: Metric) -> bool:
    return any(result.spread(name, metric.name) for name in result.titles)


def _cell(one: Spread | None) -> str:
    return f"<td>{_median(one)}<br><small>{_edges(one)}</small></td>"


def _median(one: Spread | None) -> str:
    return "-" if one is None else _number(one.median)


def _edges(one: Spread | None) -> str:
    return "" if one is None else f"{_number(one.least)}-{_number(one.greatest)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
