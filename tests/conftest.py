"""What holds for all tests."""

from __future__ import annotations

import pytest

# Before anything of it is imported: what support asserts is explained as what a test asserts.
pytest.register_assert_rewrite("tests.support", "tests.crash_matrix")
