"""Kafka's jars for whoever packs them: the verified folder, and what says that it was verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.local.servers import jars


class JarsMissingError(TargetError):
    """The jars cannot be had; the message says what to do."""

    code = ExitCode.UNKNOWN
    reason = "jars_not_fetched"


@dataclass(frozen=True, slots=True)
class KafkaJars:
    """The jars of one Kafka.

    Attributes:
        folder: where they lie; its name tells which ones they are, and is kept in a copy.
        pinned: file name -> sha256 in hex of each.
    """

    folder: Path
    pinned: Mapping[str, str]

    def mark(self, modified_at_seconds: int) -> tuple[str, str]:
        """Name and text of the file that spares a copy its verification.

        Args:
            modified_at_seconds: the modification time that every jar of the copy has.
        """
        stamps = {
            name: [(self.folder / name).stat().st_size, modified_at_seconds * 1_000_000_000]
            for name in sorted(self.pinned)
        }
        return jars.VERIFIED_MARK, json.dumps(stamps)


def cache_dir() -> Path:
    """The user's folder of things that can be fetched again."""
    return jars.cache_dir()


def kafka_jars(progress: Callable[[int, int], None]) -> KafkaJars:
    """The verified jars; fetched when they are not there.

    Args:
        progress: called with the jars that have arrived and the jars there will be.

    Raises:
        JarsMissingError: no network, or what came is not what is pinned.
    """
    try:
        return KafkaJars(jars.ensure(jars.cache_dir(), progress), jars.pinned())
    except jars.JarsError as error:
        raise JarsMissingError(str(error)) from error
