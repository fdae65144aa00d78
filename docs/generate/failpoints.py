"""The failpoints: what each is, where the code comes by it, and what may be done to it there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docs.generate.markdown import code, table
from runtime import faults
from runtime.faults.names import INAPPLICABLE, Action, Failpoint
from runtime.faults.places import ACTIONS, FROZEN, PLACES

RUNTIME: Final = Path(faults.__file__).parents[1]


def hits() -> dict[Failpoint, list[str]]:
    """Where each point is named outside `faults`, as `file.py`, function."""
    found: dict[Failpoint, list[str]] = {point: [] for point in Failpoint}
    for path in sorted(RUNTIME.rglob("*.py")):
        if (RUNTIME / "faults") in path.parents:
            continue
        place = path.relative_to(RUNTIME).as_posix()
        for name, function in _named_in(ast.parse(path.read_text(encoding="utf-8"))):
            found[Failpoint[name]].append(f"{place}, `{function}`")
    return found


def _named_in(tree: ast.AST, function: str = "") -> Iterator[tuple[str, str]]:
    """Each `Failpoint.NAME` with the innermost function that it stands in."""
    for child in ast.iter_child_nodes(tree):
        inner = (
            child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        )
        if (
            isinstance(child, ast.Attribute)
            and isinstance(child.value, ast.Name)
            and child.value.id == "Failpoint"
        ):
            yield child.attr, inner
        yield from _named_in(child, inner)


def table_of_points() -> str:
    """One row a point; a cell that cannot apply says why."""
    hit_in = hits()
    return table(
        ("id", "name", "service", "where in the code", "what has happened", "`dropconn` cuts",
         "`exectimeout`", "while it is frozen (`stop`)"),
        [
            (
                point.number,
                code(point.value),
                PLACES[point].service or "Stripe twin",
                "; ".join(hit_in[point]) or "the twin",
                PLACES[point].words,
                PLACES[point].cut,
                _timed_out(point),
                FROZEN[point],
            )
            for point in Failpoint
        ],
    )  # fmt: skip


def _timed_out(point: Failpoint) -> str:
    reason = INAPPLICABLE.get((point, Action.EXECTIMEOUT))
    return f"n/a: {reason}" if reason else PLACES[point].timed_out


def table_of_actions() -> str:
    """What may happen at a point."""
    return table(("action", "what it does"), [(code(a.value), ACTIONS[a]) for a in Action])
