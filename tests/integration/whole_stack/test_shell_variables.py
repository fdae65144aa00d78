"""What a shell exports for libpq, or keeps for it at home, changes no connection of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bookpayctl.clients.libpq import known_variables
from tests.support.processes import ROOT
from tests.support.servers import Servers

pytestmark = pytest.mark.integration

# Opens a session at each door of both programs, once per variable, and says what it found. The
# variable is set in this process, so that nothing but the doors stands between it and libpq.
SESSIONS = """
import json, os, sys
from bookpayctl.clients.database import connect, reading, writing
from runtime.adapters.store import database
from runtime.sql import migrate

dsn, variables = sys.argv[1], json.loads(sys.argv[2])

def failed(action):
    try:
        found = action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if found == ("ISO, MDY", "UTC", "bookpay") else repr(found)

ASK = "SELECT current_setting('datestyle'), current_setting('timezone'), current_user::text"

def asked(conn):
    with conn:
        return conn.execute(ASK).fetchone()

def pooled():
    pool = database.open_pool(dsn, "test", size_max=1)
    try:
        with pool.connection(timeout=20) as conn:
            return conn.execute(ASK).fetchone()
    finally:
        pool.close()

def in_block(session):
    with session(dsn) as conn:
        return conn.execute(ASK).fetchone()

def migrated():
    migrate(dsn)
    return "ISO, MDY", "UTC", "bookpay"

DOORS = {
    "tool": lambda: asked(connect(dsn)),
    "reading": lambda: in_block(reading),
    "writing": lambda: in_block(writing),
    "service": lambda: asked(database.connect(dsn, "test")),
    "pool": pooled,
    "migrate": migrated,
}
wrong = {}
for name, value in variables.items():
    for door, action in DOORS.items():
        os.environ[name] = value
        if said := failed(action):
            wrong[f"{name} at {door}"] = said
        os.environ.pop(name, None)
print(json.dumps(wrong))
"""

# Values that a connection does not survive, or that change what it answers; every other variable
# gets one that libpq refuses.
HOSTILE = {
    "PGSSLMODE": "require",
    "PGHOSTADDR": "192.0.2.1",
    "PGHOST": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "another",
    "PGPASSWORD": "wrong",
    "PGPASSFILE": "/nowhere",
    "PGSERVICE": "reporting",
    "PGSERVICEFILE": "/nowhere",
    "PGOPTIONS": "-c timezone=Asia/Kathmandu",
    "PGTZ": "Asia/Kathmandu",
    "PGDATESTYLE": "German",
    "PGGEQO": "neither",
    "PGCLIENTENCODING": "LATIN5",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "none",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCONNECT_TIMEOUT": "none",
}


def sessions(dsn: str, variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """What went wrong, by variable and door."""
    done = subprocess.run(
        [sys.executable, "-c", SESSIONS, dsn, json.dumps(variables)],
        env={"PATH": os.defpath, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wrong: dict[str, str] = json.loads(done.stdout)
    return wrong


def test_the_list_of_variables_is_libpqs_own() -> None:
    known = known_variables()

    assert known >= HOSTILE.keys()
    assert len(known) > 35
    # The tool takes them by this prefix; a variable of another name would get past it.
    assert [name for name in known if not name.startswith("PG")] == []


def test_no_variable_of_libpq_changes_a_session_of_either_program(
    servers: Servers, empty_dsn: str, tmp_path: Path
) -> None:
    variables = {name: HOSTILE.get(name, "neither-on-nor-off") for name in known_variables()}

    wrong = sessions(empty_dsn, variables, tmp_path)

    assert wrong == {}


def test_no_file_of_the_home_changes_a_session(
    servers: Servers, empty_dsn: str, tmp_path: Path
) -> None:
    """All of libpq's own files are there, and match."""
    parts = urlsplit(empty_dsn)
    (tmp_path / ".pg_service.conf").write_text("[reporting]\nhost=192.0.2.1\n")
    (tmp_path / ".postgresql").mkdir()
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (tmp_path / ".postgresql" / name).write_text("not a certificate\n")
    passfile = Path(parse_qs(parts.query)["passfile"][0])
    at_home = tmp_path / ".pgpass"
    at_home.write_text(passfile.read_text())
    at_home.chmod(0o600)

    assert sessions(empty_dsn, {"PGSERVICE": "reporting"}, tmp_path) == {}

    # The password at home is the right one: with it, a session that names no file would be made.
    bare = urlunsplit(parts._replace(query=""))
    with psycopg.connect(make_conninfo(bare, passfile=str(at_home))) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    wrong = sessions(bare, {"PGAPPNAME": "x"}, tmp_path)
    assert len(wrong) == 6
    assert [said for said in wrong.values() if "password" not in said and "Pool" not in said] == []
