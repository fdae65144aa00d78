"""Who claims a server, who owns it, and what an environment that comes too late is told.

Topics, groups, the publisher's lock and `metadata.env` have the same names in every environment,
so two of them on one server would take each other's orders. Each therefore writes itself down
where it is brought up, before it changes anything else there, and leaves a server alone on which
another stands.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError

CLAIM: Final = "claim"
RELEASE: Final = "release"


@dataclass(frozen=True, slots=True)
class Claimant:
    """One environment, as it writes itself down.

    Attributes:
        environment_id: a uuid that no other environment ever has; it alone decides.
        name, folder, host: for the person who has to find it.
    """

    environment_id: str
    name: str
    folder: str
    host: str

    def __str__(self) -> str:
        return f"environment {self.name!r} in {self.folder} on {self.host}"

    def document(self, kind: str) -> bytes:
        return json.dumps({"kind": kind, **asdict(self)}).encode()


class OwnedByAnotherError(TargetError):
    """A server carries another environment. Nothing was changed there."""

    code = ExitCode.REFUSED
    reason = "owned_by_another"


class OwnershipUnknownError(TargetError):
    """A server did not say whose it is."""

    code = ExitCode.UNKNOWN
    reason = "owner_unknown"


def claimant(environment_id: str, name: str, root: Path) -> Claimant:
    """This environment, on this machine."""
    return Claimant(environment_id, name, str(root), socket.gethostname())


def owner_of(documents: Iterable[Mapping[str, Any]]) -> Claimant | None:
    """Who owns a server after these claims and releases, in their order.

    The first claim counts until its own release; a claim made meanwhile counts for nothing, its
    claimant has seen the first one and gone. A line that is none of ours is passed over.
    """
    owner: Claimant | None = None
    for document in documents:
        found = claimant_of(document)
        if found is None:
            continue
        same = owner is not None and owner.environment_id == found.environment_id
        if document.get("kind") == CLAIM and (owner is None or same):
            owner = found
        elif document.get("kind") == RELEASE and same:
            owner = None
    return owner


def claimant_of(document: Mapping[str, Any]) -> Claimant | None:
    """The environment in a document; None when it has none."""
    values = [document.get(name) for name in ("environment_id", "name", "folder", "host")]
    if not all(isinstance(value, str) for value in values):
        return None
    return Claimant(*map(str, values))


def refused(where: str, owner: Claimant, remedy: str) -> OwnedByAnotherError:
    """What an environment is told on whose server another stands."""
    error = OwnedByAnotherError(f"{where} belongs to {owner}; nothing was changed there")
    error.fix = (
        f"use another one, or take that environment away: in its folder,"
        f" `bookpayctl down --purge --name {owner.name}`. If it is gone for good: {remedy}"
    )
    return error


def refused_by_signs(where: str, signs: str, remedy: str) -> OwnedByAnotherError:
    """The same, where another left no name but its traces."""
    error = OwnedByAnotherError(
        f"{where} is in use by another environment, or was: {signs}; nothing was changed there"
    )
    error.fix = f"use another one, or, if nobody needs what is there: {remedy}"
    return error
