"""Where the database's data and programs lie: a place its user can reach.

Below the environment and in the wheel, when that works; else in a folder of the system, recorded
in the state and removed with the environment.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final

from bookpayctl.targets.local.machine.state import LocalState, new_id
from bookpayctl.targets.servers.owner import (
    Owner,
    OwnerError,
    can_run,
    can_traverse,
    make_open,
)
from bookpayctl.targets.servers.postgres import copy_installation, wheel_installation

# Where programs of the system keep their data, and where everybody may, in this order. Both
# survive a restart of the machine, which a temporary folder need not.
_OUTSIDE: Final = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - the folder made in it is ours


def place(root: Path, owner: Owner | None) -> LocalState:
    """Decide where a new environment's database goes; nothing is made.

    Args:
        root: the environment's folder; it exists.
        owner: the user the database runs as; None when that is the caller.

    Returns:
        A state with a new id, without ports.

    Raises:
        OwnerError: no folder can be reached by the user.
    """
    if owner is None:
        return LocalState(new_id(), root / "postgres")
    outside = _outside(root, owner)
    inside = can_traverse(owner, root)
    return LocalState(new_id(), (root if inside else outside) / "postgres", outside)


def reachable_installation(state: LocalState, owner: Owner | None) -> Path:
    """The database's programs where its user can reach them.

    That is the wheel's own folder, or a copy, made when it is missing or of another wheel.
    """
    installation = wheel_installation()
    reachable = owner is None or can_run(owner, installation / "bin" / "postgres")
    if reachable or state.outside is None:
        return installation
    make_open(state.outside)
    return copy_installation(state.outside / "postgresql")


def remove(root: Path, state: LocalState | None) -> None:
    """Remove an environment's folders, with all data."""
    if state is not None and state.outside is not None:
        shutil.rmtree(state.outside, ignore_errors=True)
    if root.exists():
        shutil.rmtree(root)


def _outside(root: Path, owner: Owner) -> Path:
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    for folder in _OUTSIDE:
        if folder.is_dir() and can_traverse(owner, folder):
            return folder / "bookpay" / f"{root.name}-{digest}"
    raise OwnerError(
        f"user {owner.name}, who runs the database, can reach neither {root} nor any of"
        f" {', '.join(map(str, _OUTSIDE))}"
    )
