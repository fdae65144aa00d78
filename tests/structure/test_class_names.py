"""A class name means one thing in a program."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("program", ["runtime", "bookpayctl"])
def test_no_two_files_have_a_class_of_the_same_name(program: str) -> None:
    """Whoever searches for a class, or reads a log of two services, must not find another one."""
    files = defaultdict(set)
    for path in (ROOT / program).rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].add(str(path.relative_to(ROOT)))

    assert len(files) > 100, "hardly a class was found, so little was examined"
    assert {name: sorted(found) for name, found in files.items() if len(found) > 1} == {}
