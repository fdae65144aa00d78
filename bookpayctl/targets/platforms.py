"""The platforms this build knows, by the name that `--on` takes and an environment remembers."""

from __future__ import annotations

from typing import Final

from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import UnknownPlatformError
from bookpayctl.targets.platform import Platform
from bookpayctl.targets.target import Target

NAMES: Final = ("local",)


def platform_named(name: str) -> Platform:
    """The platform of that name.

    Raises:
        UnknownPlatformError: this build has none.
    """
    if name == "local":
        from bookpayctl.targets.local.platform import LocalPlatform

        return LocalPlatform()
    known = ", ".join(NAMES)
    raise UnknownPlatformError(f"target {name!r} is not available; this build has: {known}")


def open_target(environment: Environment) -> Target:
    """The environment, to look at and to act on.

    Raises:
        UnknownPlatformError: it was brought up by a build that knows more platforms.
    """
    return platform_named(environment.target).open(environment)
