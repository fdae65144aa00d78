"""What tables a database has, from its catalogue alone: names, columns, types and enum labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.read_only import read_only_session, rows

TIMEOUT_SECONDS: Final = 60
_COLUMNS: Final = """
    SELECT n.nspname::text, c.relname::text, a.attname::text, t.typname::text,
        t.typcategory::text,
        (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum AS e
            WHERE e.enumtypid = t.oid)
    FROM (
        SELECT c.oid, c.relname, c.relnamespace FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
            AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
            AND has_table_privilege(c.oid, 'SELECT')
        ORDER BY n.nspname, c.relname LIMIT 2000
    ) AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type AS t ON t.oid = a.atttypid
    ORDER BY n.nspname, c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class CatalogueColumn:
    """One column of a table; `labels` are those of its enum type."""

    name: str
    type_name: str
    category: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """One table or view that the role may read."""

    schema: str
    name: str
    columns: tuple[CatalogueColumn, ...]


def read_catalogue(dsn: str) -> list[CatalogueTable]:
    """Every table that the role may read, by schema and name; no row of any is looked at.

    Raises:
        DatabaseError: the database could not be asked.
    """
    with read_only_session(dsn, statement_timeout_seconds=TIMEOUT_SECONDS) as conn:
        found: dict[tuple[str, str], list[CatalogueColumn]] = {}
        for schema, table, column, kind, category, labels in rows(conn, _COLUMNS):
            one = CatalogueColumn(column, kind, category, tuple(labels or ()))
            found.setdefault((schema, table), []).append(one)
    return [
        CatalogueTable(schema, name, tuple(columns)) for (schema, name), columns in found.items()
    ]
