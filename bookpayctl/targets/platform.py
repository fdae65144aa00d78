"""Where environments live: a platform brings one up, takes it down, examines and opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bookpayctl.targets.environment import Environment
from bookpayctl.targets.settings import Value
from bookpayctl.targets.target import Target


class ExaminationResult(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Examination:
    """What one examination found; `fix` is empty when there is nothing to do."""

    subject: str
    result: ExaminationResult
    required: str
    observed: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class UpStep:
    """One thing that happened, for whoever watches.

    Attributes:
        part: a process name, or what else was worked on.
        text: what happened to it.
        done: the part is ready.
        transient: the next step of the same part replaces it.
        fraction: how much of it is done, where that is known.
    """

    part: str
    text: str
    done: bool = False
    transient: bool = False
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what happens meanwhile.

    Attributes:
        step: of every step.
        waiting: once, with what holds the environment, when another command has to end first.
    """

    step: Callable[[UpStep], None]
    waiting: Callable[[str], None]


class Platform(Protocol):
    """One kind of place. What goes wrong is a TargetError; a wrong setting a SettingsError."""

    def bring_up(
        self, values: Mapping[str, Value], environ: Mapping[str, str], watch: Watch
    ) -> Environment:
        """Bring an environment up and return when every process is ready."""
        ...

    def take_down(
        self, name: str, *, timeout_seconds: float, purge: bool, watch: Watch
    ) -> list[str]:
        """Stop what `bring_up` started, and with `purge` remove its data; what was stopped."""
        ...

    def examine(self, values: Mapping[str, Value]) -> list[Examination]:
        """What could stop `bring_up` here; nothing is changed."""
        ...

    def reach(self, environment: Environment) -> Environment:
        """The same environment with addresses that work from here, while this process lives."""
        ...

    def open(self, environment: Environment) -> Target:
        """An environment of this platform, to look at and to act on."""
        ...
