"""The database's shape and the one way it changes.

`migrate` applies `outbox-ddl.sql` and then every `migrations/NNNN_what.sql` that is not recorded
yet, in order, each in its own transaction, under a lock that makes concurrent callers wait. A
recorded migration whose text has changed is refused: history is added to, never rewritten.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import psycopg
from psycopg import sql

from runtime import libpq

SCHEMA: Final = "bookstore_platform"

# Serialises migrations only; unrelated to the publisher's lock.
MIGRATION_LOCK_KEY: Final = 7_225_311_904_118_264_017


class MigrationError(RuntimeError):
    """The recorded migrations and the files disagree; a person has to look."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name and its text."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def outbox_ddl() -> str:
    """The text of outbox-ddl.sql, idempotent, usable alone."""
    return (files(__package__) / "outbox-ddl.sql").read_text(encoding="utf-8")


def migrations() -> list[Migration]:
    """Every migration file in ascending order of its number."""
    folder = files(__package__) / "migrations"
    found = [
        Migration(
            int(entry.name[:4]),
            entry.name.removesuffix(".sql"),
            entry.read_text(encoding="utf-8"),
        )
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(dsn: str) -> list[str]:
    """Bring the database at `dsn` up to the newest schema.

    Returns:
        The names of the migrations applied by this call; empty when there was nothing to do.

    Raises:
        MigrationError: a recorded migration differs from its file.
        psycopg.Error: the database refused; nothing of the failed migration is kept.
    """
    applied = []
    closed = libpq.parameters(dsn)
    with psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=10,
        **closed,  # type: ignore[arg-type] # all of them are texts
    ) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK_KEY,))
        with conn.transaction():
            conn.execute(sql.SQL(outbox_ddl()))
            _prepare(conn)
        rows = conn.execute("SELECT number, sha256 FROM schema_migrations").fetchall()
        recorded: dict[int, str] = dict(rows)
        for migration in migrations():
            if migration.number in recorded:
                _check_unchanged(migration, recorded[migration.number])
                continue
            with conn.transaction():
                conn.execute(sql.SQL(migration.text))
                conn.execute(
                    "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.sha256),
                )
            applied.append(migration.name)
    return applied


def missing(dsn: str) -> list[str]:
    """Migrations of this code that the database at `dsn` does not record; changes nothing.

    What it records beyond them is a newer version's, and this code runs on it all the same.

    Raises:
        psycopg.Error: the database cannot be asked.
    """
    closed = libpq.parameters(dsn)
    with psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=5,
        **closed,  # type: ignore[arg-type] # all of them are texts
    ) as conn:
        # Asked for by name first: who waits asks every second, and each error would be in the
        # server's log.
        name = f"{SCHEMA}.schema_migrations"
        (there,) = conn.execute("SELECT to_regclass(%s)", [name]).fetchone() or (None,)
        record = sql.Identifier(SCHEMA, "schema_migrations")
        question = sql.SQL("SELECT number FROM {}").format(record)
        rows = conn.execute(question).fetchall() if there else []
    recorded = {number for (number,) in rows}
    return [migration.name for migration in migrations() if migration.number not in recorded]


def _prepare(conn: psycopg.Connection) -> None:
    """Make unqualified names mean ours, for this session and for the role in this database."""
    conn.execute("SELECT set_config('search_path', %s, false)", (f"{SCHEMA}, public",))
    name, role = conn.execute("SELECT current_database(), current_user").fetchone() or ("", "")
    conn.execute(
        sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}, public").format(
            sql.Identifier(role), sql.Identifier(name), sql.Identifier(SCHEMA)
        )
    )
    conn.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text"
        " NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )


def _check_unchanged(migration: Migration, recorded_sha256: str) -> None:
    if migration.sha256 != recorded_sha256:
        raise MigrationError(
            f"migration {migration.name} was applied with another text; restore the file and add a"
            " new migration instead of editing an old one"
        )
