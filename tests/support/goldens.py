"""Texts that an operator or a script sees, kept whole in tests/golden and compared whole.

To renew those that were changed on purpose, and read the difference before it is committed:

    BOOKPAY_RENEW_GOLDENS=1 .venv/bin/python -m pytest tests/unit/cli; git diff tests/golden
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

GOLDEN: Final = Path(__file__).parents[1] / "golden"
RENEW_VARIABLE: Final = "BOOKPAY_RENEW_GOLDENS"
RENEW: Final = f"if that is meant: {RENEW_VARIABLE}=1 .venv/bin/python -m pytest tests/unit/cli"


def assert_golden(name: str, text: str) -> None:
    """Compare with tests/golden/`name`; when goldens are renewed, write it and skip the test."""
    path = GOLDEN / name
    if os.environ.get(RENEW_VARIABLE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        pytest.skip(f"{name} was written anew, not compared")
    assert path.exists(), f"{path} is missing; {RENEW}"
    assert text == path.read_text(), f"{path} says otherwise; {RENEW}"
