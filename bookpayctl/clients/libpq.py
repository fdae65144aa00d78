"""What libpq reads beside a connection string, and how none of it reaches this tool's connections.

The runtime has the same module: the judge shares no code with the judged.

A variable of the shell (PGSSLMODE, PGSERVICE, PGDATESTYLE, ...) or a file in somebody's home
(.pgpass, .pg_service.conf, .postgresql/root.crt) would change where a connection goes, whether it
is made and what it answers. Every connection passes `parameters` first: PG variables leave the
process, because two of them cannot be overruled by a parameter (PGSERVICE, which is looked up
first, and PGDATESTYLE, PGTZ and PGGEQO, which libpq sends by itself), and the files of the home
are named as what is not there. What a connection needs, its string says.

Source:
    PostgreSQL manual, 32.15 Environment Variables, 32.16 The Password File, 32.19 SSL Support;
    its source, conninfo_add_defaults and pqBuildStartupPacket3.
"""

from __future__ import annotations

import os
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

# /dev/null is no folder, so nothing can be below it; libpq takes each as a file that is not there.
# The names are what a person reads where one is needed, as for sslmode=verify-full.
FILES_OF_NOBODY: Final = {
    "passfile": "/dev/null/name-the-passfile-in-the-dsn",
    "sslrootcert": "/dev/null/name-the-sslrootcert-in-the-dsn",
    "sslcert": "/dev/null/name-the-sslcert-in-the-dsn",
    "sslkey": "/dev/null/name-the-sslkey-in-the-dsn",
    "sslcrl": "/dev/null/name-the-sslcrl-in-the-dsn",
}

_FILES_OF_THE_HOME: Final = {
    "passfile": ".pgpass",
    "sslrootcert": ".postgresql/root.crt",
    "sslcert": ".postgresql/postgresql.crt",
    "sslkey": ".postgresql/postgresql.key",
    "sslcrl": ".postgresql/root.crl",
}

# The session sets these itself.
_NOT_OF_A_STRING: Final = frozenset({b"options", b"replication", b"fallback_application_name"})

_PREFIX: Final = "PG"

# What libpq reads beside the variables of its parameters (the manual's 32.15, and its source).
_MORE: Final = ("PGDATESTYLE", "PGTZ", "PGGEQO", "PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR")

# Two threads that both unset would race inside the C library.
_forgetting: Final = threading.Lock()


def forget_shell(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take every variable that is libpq's out of this process; harmless when there is none."""
    with _forgetting:
        for name in [name for name in environ if name.startswith(_PREFIX)]:
            del environ[name]


def known_variables() -> frozenset[str]:
    """Every variable that this libpq, and so a psql, takes a connection's properties from."""
    found = {entry.envvar.decode() for entry in Conninfo.get_defaults() if entry.envvar}
    return frozenset({*found, *_MORE})


def shell_dsn() -> str:
    """What a psql without arguments would connect to: variables, service and files of the home.

    For who judges a stack that is not ours and says so nowhere else. Call it before anything
    connects, because the variables are gone afterwards. It may hold a password: show it to nobody.
    """
    found = {
        entry.keyword.decode(): entry.val.decode()
        for entry in Conninfo.get_defaults()
        if entry.val and entry.keyword not in _NOT_OF_A_STRING
    }
    home = Path.home()
    for name, file in _FILES_OF_THE_HOME.items():
        if name not in found and (home / file).is_file():
            found[name] = str(home / file)
    return make_conninfo(**found)


def has_password(dsn: str) -> bool:
    """Whether the string itself holds a password.

    Raises:
        ValueError: it is no connection string; the message has no part of it in it.
    """
    try:
        return bool(conninfo_to_dict(dsn).get("password"))
    except ProgrammingError:
        # Its own words would show a part of the string, which may be the password.
        raise ValueError("no connection string that libpq reads") from None


def place_of(dsn: str) -> str:
    """Where a connection goes, in words without a secret."""
    parts = conninfo_to_dict(dsn)
    where = parts.get("host") or parts.get("hostaddr") or "the local socket"
    return f"database {parts.get('dbname') or parts.get('user') or 'default'} on {where}"


def parameters(dsn: str) -> dict[str, str]:
    """What to pass beside `dsn`, so that the connection is what `dsn` says and nothing else.

    Call it for each connection or pool, right before it is made.
    """
    forget_shell()
    try:
        said = conninfo_to_dict(dsn)
    except ProgrammingError:
        # No connection string: whoever connects says so.
        return dict(FILES_OF_NOBODY)
    return {name: path for name, path in FILES_OF_NOBODY.items() if name not in said}
