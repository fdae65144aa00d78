"""What the local target must remember from one `up` to the next.

Written before anything is started, so that even an `up` that was killed can be cleaned up after.
Addresses for everybody else are in environment.json; this file is the target's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.files import SECRET, write_atomically
from bookpayctl.targets.errors import TargetError

STATE_FILE: Final = "local.json"

_SHARED: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - the folder made in it is private

ID_VARIABLE: Final = "BOOKPAY_ENVIRONMENT_ID"
"""In the environment of every process we start; how orphans are told from strangers."""


class StateError(TargetError):
    """The environment's folder cannot be used; the message says why."""

    code = ExitCode.USAGE
    reason = "cannot_run_here"
    fix = "bookpayctl doctor"


@dataclass(frozen=True, slots=True)
class LocalState:
    """The target's memory of one environment.

    Attributes:
        id: a uuid that no other environment ever has.
        shared: what was made on servers that are not ours, and goes with a purge, by kind and
            address of the server.
        ports: by process name, also of the second ports `kafka-controller` and
            `stripe-twin-control`.
        postgres_home: the folder that holds the database's data directory.
        outside: a folder not below the environment's own, which may or may not have been needed,
            and is removed with it; None when the caller is not root.
    """

    id: str
    postgres_home: Path
    outside: Path | None = None
    ports: dict[str, int] = field(default_factory=dict)
    shared: dict[str, list[str]] = field(default_factory=dict)


def new_id() -> str:
    return str(uuid.uuid4())


def load_state(root: Path) -> LocalState | None:
    """Read the state below `root`; None when there is none.

    Raises:
        StateError: the file is there and cannot be understood.
    """
    path = root / STATE_FILE
    try:
        document = json.loads(path.read_text())
        return LocalState(
            id=document["id"],
            postgres_home=Path(document["postgres_home"]),
            outside=Path(document["outside"]) if document["outside"] else None,
            ports=document["ports"],
            # Environments of an earlier build remember none.
            shared=document.get("shared", {}),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"{path} cannot be understood ({error}); restore it, or move the folder away and bring"
            " the environment up anew"
        ) from error


def save_state(root: Path, state: LocalState) -> None:
    """Write the state atomically and durably: the id in it finds the processes after a crash."""
    text = json.dumps(asdict(state), indent=2, default=str)
    write_atomically(root / STATE_FILE, text, mode=SECRET)


def sockets_dir() -> Path:
    """Where everybody may make a folder of a short path: /tmp, else /var/tmp."""
    return next((folder for folder in _SHARED if os.access(folder, os.W_OK)), _SHARED[0])


def socket_path(root: Path) -> Path:
    """Where supervisor listens: short, because the kernel allows 107 bytes, and private.

    The folder is the same for the same root and user, whatever TMPDIR the shell of the moment
    exports, and is made when it is missing.

    Raises:
        StateError: somebody else made a folder of that name.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    folder = sockets_dir() / f"bookpay-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise StateError(f"{folder} is not a private folder of ours; remove it and try again")
    return folder / "supervisor.sock"
