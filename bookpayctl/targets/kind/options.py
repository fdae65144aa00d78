"""The settings of `--on kind`, read and checked before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.targets import settings
from bookpayctl.targets.kind.plan import KindRecord
from bookpayctl.targets.settings import SettingsError, Value

# As kind wants it, for containers and hosts are named after it.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,49}")


@dataclass(frozen=True, slots=True)
class KindOptions:
    """What the user decided about the cluster.

    Attributes:
        node_image: None: the one pinned for the release of kind.
        config: a file of kind's; None: ours.
        archive: an image to load; None: the nodes have it, or know where to get it.
    """

    cluster: str
    node_image: str | None
    config: Path | None
    archive: Path | None


def read_kind_options(values: Mapping[str, Value]) -> KindOptions:
    """Check the settings.

    Raises:
        SettingsError: one is wrong, or belongs to --on kube.
    """
    settings.refuse_flags(values, ("context",), "--on kind, which has one of its own")
    name = values["kind_cluster"]
    if not _NAME.fullmatch(name.text):
        raise SettingsError(
            f"kind_cluster={name.text!r} ({name.source}) must be 1 to 50 of a-z, 0-9, - and ."
        )
    config, archive = values["kind_config"].text, values["archive"].text
    return KindOptions(
        cluster=name.text,
        node_image=values["kind_image"].text or None,
        config=Path(config).absolute() if config else None,
        archive=Path(archive).absolute() if archive else None,
    )


def refuse_another_cluster(
    environment: str, record: KindRecord | None, options: KindOptions
) -> None:
    """See that the environment is not on another cluster already.

    Raises:
        SettingsError: it is; what it has there would be forgotten.
    """
    if record is not None and record.cluster != options.cluster:
        raise SettingsError(
            f"environment {environment!r} is on kind's cluster {record.cluster!r}, not on"
            f" {options.cluster!r}; choose another name, or take it down:"
            f" bookpayctl down --name {environment} --purge"
        )
