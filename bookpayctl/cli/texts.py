"""What functions say about themselves, in whatever way Python was started.

The help of a command and the question of an invariant stand in one place, the docstring of the
function that answers. `python -OO` and PYTHONOPTIMIZE=2 compile docstrings away, so a text that is
shown to anybody is taken from here: from the source itself where the compiled one has lost it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def docstring_of(function: Callable[..., Any]) -> str:
    """The docstring without its indentation; empty when the function has none."""
    plain = inspect.unwrap(function)
    if plain.__doc__ is not None:
        return inspect.cleandoc(plain.__doc__)
    code = plain.__code__
    return _docstrings(code.co_filename).get(code.co_firstlineno, "")


@cache
def _docstrings(path: str) -> dict[int, str]:
    """First line of each function in a file, its decorators included, and what it says."""
    found = {}
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(entry.lineno for entry in node.decorator_list)])
            found[first] = ast.get_docstring(node) or ""
    return found
