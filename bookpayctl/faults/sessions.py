"""Sessions of PostgreSQL by where they come from, and their end."""

from __future__ import annotations

from bookpayctl.clients.database import writing

# The tool's own come by a port-forward, which ends in the pod itself.
_FROM_WITHIN = ("127.0.0.1", "::1")


def end_foreign_sessions(dsn: str, address: str) -> int:
    """End the sessions of our role that come from elsewhere than an address; how many there were.

    Raises:
        DatabaseError: the database could not be asked.
    """
    with writing(dsn) as conn:
        return len(
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user"
                " AND pid <> pg_backend_pid() AND client_addr IS NOT NULL"
                " AND NOT host(client_addr) = ANY (%s)",
                ([address, *_FROM_WITHIN],),
            ).fetchall()
        )
