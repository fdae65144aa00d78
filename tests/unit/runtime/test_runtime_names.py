"""Names of the runtime: one thing has one, and no two things share it."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import runtime

ROOT = Path(runtime.__file__).parent


def test_no_two_files_have_a_class_of_the_same_name() -> None:
    """Whoever searches for a class, or reads a log of two services, must not find another one."""
    files = defaultdict(set)
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                files[node.name].add(str(path.relative_to(ROOT)))

    assert len(files) > 100, "hardly a class was found, so little was examined"
    assert {name: sorted(found) for name, found in files.items() if len(found) > 1} == {}
