"""A temporary folder of a test's own: at its end it is empty, and nothing runs from it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest


@contextmanager
def left_empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What is temporary is made in it, also by children; short, because sockets live below it."""
    with tempfile.TemporaryDirectory(prefix="bpt-") as folder:
        # Root's PostgreSQL runs as somebody else.
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []
        assert running_from(folder) == []


def running_from(folder: str | Path) -> list[str]:
    """The command lines of processes that speak of it."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(words) for words in commands if any(str(folder) in word for word in words)]
