"""What is done about the cluster, given what is there and what was written down. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bookpayctl.targets.environment import Environment

TARGET: Final = "kind"

_CLUSTER: Final = "kind_cluster"
_CREATED: Final = "kind_created"
_API_PORT: Final = "kind_api_port"


@dataclass(frozen=True, slots=True)
class KindRecord:
    """What an environment remembers of its cluster. Written down before the cluster is made.

    Attributes:
        cluster: its name at kind.
        created: whether it was made for this environment.
        api_port: that it was made with; None where it was not.
    """

    cluster: str
    created: bool
    api_port: int | None = None

    def as_settings(self) -> dict[str, str]:
        """As the environment's file keeps it."""
        port = {} if self.api_port is None else {_API_PORT: str(self.api_port)}
        return {_CLUSTER: self.cluster, _CREATED: "on" if self.created else "off", **port}


def record_of(environment: Environment) -> KindRecord | None:
    """What an environment remembers; None when it is not on kind."""
    settings: Mapping[str, str] = environment.settings
    if environment.target != TARGET or _CLUSTER not in settings:
        return None
    port = settings.get(_API_PORT)
    created = settings.get(_CREATED) == "on"
    return KindRecord(settings[_CLUSTER], created, int(port) if port else None)


@dataclass(frozen=True, slots=True)
class StandingCluster:
    """A cluster of the name that kind lists.

    Attributes:
        api_ports: of its API servers on the engine's machine; one, but for those with several.
    """

    api_ports: frozenset[int]


class ClusterStep(StrEnum):
    CREATE = "create"
    """There is none."""
    CREATE_ANEW = "create_anew"
    """One that was being made for us is there, and was never finished."""
    TAKE_OURS = "take_ours"
    TAKE_ANOTHERS = "take_anothers"
    """It was there before us: used, its configuration untouched, never deleted."""


def cluster_step(
    standing: StandingCluster | None, record: KindRecord | None, *, finished: bool
) -> ClusterStep:
    """What `up` does.

    Args:
        finished: whether the making of ours came to its end.
    """
    if standing is None:
        return ClusterStep.CREATE
    if not is_made_for_us(standing, record):
        return ClusterStep.TAKE_ANOTHERS
    return ClusterStep.TAKE_OURS if finished else ClusterStep.CREATE_ANEW


def is_made_for_us(standing: StandingCluster | None, record: KindRecord | None) -> bool:
    """Whether the cluster of that name is the one that was made for the environment.

    A name is not enough: ours may have been deleted, and another one made under it.
    """
    return (
        standing is not None
        and record is not None
        and record.created
        and record.api_port in standing.api_ports
    )


class ImageStep(StrEnum):
    LOAD = "load"
    KEEP = "keep"
    """The nodes have it."""
    LEAVE_TO_NODES = "leave_to_nodes"
    """They fetch it from the registry that its name names."""
    REFUSE = "refuse"
    """They do not have it, and nobody could bring it."""


def image_step(
    held: Mapping[str, str | None], archived: str | None, *, in_registry: bool
) -> ImageStep:
    """What is done about the image.

    Args:
        held: node -> id of the image that it holds under the name; None where it holds none.
        archived: id of the image in the archive; None without an archive.
        in_registry: whether the image's name names a registry.
    """
    if archived is not None:
        return ImageStep.KEEP if set(held.values()) == {archived} else ImageStep.LOAD
    if None not in held.values():
        return ImageStep.KEEP
    return ImageStep.LEAVE_TO_NODES if in_registry else ImageStep.REFUSE
