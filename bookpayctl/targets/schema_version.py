"""Which migrations a database records, beside those that this package ships.

Two lists are compared and nothing is changed: whoever may change the schema is `up` and `migrate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bookpayctl.clients.database import reading
from runtime.domain.names import SCHEMA
from runtime.sql import Migration, migrations

_RECORDED = f"SELECT number, name, sha256 FROM {SCHEMA}.schema_migrations ORDER BY number"  # noqa: S608


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """How the two lists differ, by the migrations' names.

    Attributes:
        applied: how many the database records.
        newest: the last of them; empty when there is none.
        missing: shipped, and not recorded.
        unknown: recorded, and not shipped: of a newer version, or of somebody else.
        changed: recorded with another text than is shipped.
    """

    applied: int
    newest: str
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def schema_version(dsn: str) -> SchemaVersion:
    """Compare; a database without the record has applied none.

    Raises:
        DatabaseError: the database did not answer.
    """
    with reading(dsn) as conn:
        name = f"{SCHEMA}.schema_migrations"
        (there,) = conn.execute("SELECT to_regclass(%s)", (name,)).fetchone() or (None,)
        rows = conn.execute(_RECORDED).fetchall() if there else []
    return compare(migrations(), {number: (name, digest) for number, name, digest in rows})


def compare(shipped: Sequence[Migration], recorded: Mapping[int, tuple[str, str]]) -> SchemaVersion:
    """How they differ.

    Args:
        recorded: number -> name and SHA-256 of the text.
    """
    ours = {migration.number: migration for migration in shipped}
    both = [ours[number] for number in sorted(ours.keys() & recorded.keys())]
    return SchemaVersion(
        applied=len(recorded),
        newest=recorded[max(recorded)][0] if recorded else "",
        missing=tuple(ours[number].name for number in sorted(ours.keys() - recorded.keys())),
        unknown=tuple(recorded[number][0] for number in sorted(recorded.keys() - ours.keys())),
        changed=tuple(one.name for one in both if one.sha256 != recorded[one.number][1]),
    )
