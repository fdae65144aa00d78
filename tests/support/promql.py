"""What an expression of PromQL asks for: metrics, with the labels that it names for each.

Not a parser: promtool is one, where there is one. This sees each name that is looked up.
"""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS: Final = {"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
_OPERATORS: Final = {"and", "or", "unless", "inf", "nan"}


def metrics_of(expression: str) -> set[str]:
    """Every metric that is looked up."""
    bare = re.sub(r"\[[^]]*\]|\{[^}]*\}", "", _TEXT.sub('""', expression))
    names = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\s*\()?", _GROUPING.sub(" ", bare))
    return {name for name in names if not name.endswith("(")} - _WORDS - _OPERATORS


def labels_of(expression: str) -> set[str]:
    """Every label that a selector or a grouping names."""
    bare = _TEXT.sub('""', expression)
    matched = {
        matcher.strip()
        for _, inside in _SELECTOR.findall(bare)
        for matcher in re.findall(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)", inside)
    }
    grouped = {label.strip() for inside in _GROUPING.findall(bare) for label in inside.split(",")}
    return {label for label in matched | grouped if label}
