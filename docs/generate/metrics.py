"""The metrics of the runtime, as `runtime/metrics.py` makes them.

Read from its text, because a metric made by importing it would be registered in this process.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import runtime
from docs.generate.markdown import code, table

SOURCE: Final = Path(runtime.__file__).parent / "metrics.py"
KINDS: Final = ("Counter", "Gauge", "Histogram")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is scraped."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def read() -> Iterator[Metric]:
    """Every metric in the order of the file."""
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in KINDS:
            name, words, *labels = (ast.literal_eval(argument) for argument in node.args)
            kind = ast.unparse(node.func).lower()
            yield Metric(name, kind, tuple(labels[0] if labels else ()), words)


def metrics() -> str:
    """The table of all metrics."""
    return table(
        ("metric", "type", "labels", "what it counts or measures"),
        [(code(m.name), m.kind, ", ".join(map(code, m.labels)) or "-", m.help) for m in read()],
    )
