"""One line and exit 3 when the database does not answer, instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bookpayctl.render import fail
from bookpayctl.report import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment


@contextmanager
def database_answers(environment: Environment) -> Iterator[None]:
    """Whatever is read in the block could not be read: unknown, with the remedy."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        fail(
            f"PostgreSQL of environment {environment.name!r} did not answer:"
            f" {str(error).strip().splitlines()[0]}",
            ExitCode.UNKNOWN,
            fix=f"bookpayctl status --name {environment.name}",
        )
