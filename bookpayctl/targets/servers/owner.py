"""Which operating-system user runs the database, and where that user can reach it.

PostgreSQL refuses to run as root. When bookpayctl runs as root the database gets an unprivileged
user, who must be able to traverse every folder above its data and its programs; a project below
a home of mode 0700 fails that, and then a copy goes where it does not.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError

USER_VARIABLE: Final = "BOOKPAY_POSTGRES_USER"

# Present on every Unix, owns no files, has no password: enough to be "not root".
DEFAULT_USER: Final = "nobody"


class OwnerError(TargetError):
    """The database cannot run as the user asked for; the message says what to set."""

    code = ExitCode.USAGE
    reason = "cannot_run_here"
    fix = "bookpayctl doctor"


@dataclass(frozen=True, slots=True)
class Owner:
    """An unprivileged user the database runs as, because the caller is root."""

    name: str
    uid: int
    gid: int


def database_owner(environ: Mapping[str, str], *, effective_uid: int | None = None) -> Owner | None:
    """The user to switch to; None when the caller is not root and runs the database itself.

    Raises:
        OwnerError: the user does not exist here, or is root again.
    """
    if (os.geteuid() if effective_uid is None else effective_uid) != 0:
        return None
    name = environ.get(USER_VARIABLE) or DEFAULT_USER
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise OwnerError(
            f"PostgreSQL will not run as root and there is no user {name!r} to run it as;"
            f" set {USER_VARIABLE} to an unprivileged user"
        ) from error
    if entry.pw_uid == 0:
        raise OwnerError(f"{USER_VARIABLE}={name} is root, and PostgreSQL will not run as root")
    return Owner(name, entry.pw_uid, entry.pw_gid)


def can_traverse(owner: Owner, path: Path) -> bool:
    """Whether `owner` may walk from / down to `path`; the last part need not exist yet.

    Reads mode bits only, because they are what nearly every machine uses; where an ACL says
    otherwise, the server's own message will.
    """
    resolved = path.resolve()
    return all(
        _may_enter(owner, folder.stat())
        for folder in (*resolved.parents, resolved)
        if folder.is_dir()
    )


def can_run(owner: Owner, program: Path) -> bool:
    """Whether `owner` may execute `program`, folders above it included."""
    return can_traverse(owner, program.parent) and _may_enter(owner, program.stat())


def make_open(folder: Path) -> None:
    """Make a folder everybody may enter, whatever the umask; folders above it, too, if new."""
    for path in (*reversed(folder.parents), folder):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


def _may_enter(owner: Owner, facts: os.stat_result) -> bool:
    if facts.st_uid == owner.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == owner.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def give(path: Path, owner: Owner | None) -> None:
    """Make `path` private to the user who runs the database."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
