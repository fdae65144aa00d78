"""The platforms this build knows, by the name that `--on` takes and an environment remembers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bookpayctl.targets.cluster_target import ClusterTarget
from bookpayctl.targets.environment import Environment, EnvironmentMissingError, load
from bookpayctl.targets.errors import UnknownPlatformError
from bookpayctl.targets.link import LinkTarget
from bookpayctl.targets.platform import Platform
from bookpayctl.targets.settings import DEFAULT, SettingsError, Value, environment_name
from bookpayctl.targets.target import Target

LOCAL: Final = "local"
NAMES: Final = (LOCAL, "kind", "kube")
CLUSTERS: Final = tuple(name for name in NAMES if name != LOCAL)


def platform_named(name: str) -> Platform:
    """The platform of that name.

    Raises:
        UnknownPlatformError: this build has none.
    """
    if name == LOCAL:
        from bookpayctl.targets.local.platform import LocalPlatform

        return LocalPlatform()
    if name == "kube":
        from bookpayctl.targets.kube.platform import KubePlatform

        return KubePlatform()
    if name == "kind":
        from bookpayctl.targets.kind.platform import KindPlatform

        return KindPlatform()
    known = ", ".join(NAMES)
    raise UnknownPlatformError(f"target {name!r} is not available; this build has: {known}")


def as_chosen(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """The settings of `up`; who publishes is chosen once, and stays where nothing says otherwise.

    Pages say `up` to whoever wants to start what is away. It must not exchange the publisher.
    """
    if values["publisher"].source != DEFAULT:
        return values
    try:
        recorded = load(environment_name(values))
    except EnvironmentMissingError:
        return values
    chosen = recorded.settings.get("publisher", values["publisher"].text)
    return {**values, "publisher": Value(chosen, f"environment {recorded.name}")}


def platform_of(values: Mapping[str, Value]) -> Platform:
    """The platform of the environment that the settings name: where it is, or is to be.

    Raises:
        SettingsError: it is somewhere else than the settings say.
        UnknownPlatformError: this build knows no such platform.
    """
    name, on = environment_name(values), values["on"]
    try:
        recorded = load(name).target
    except EnvironmentMissingError:
        return platform_named(on.text or LOCAL)
    if on.text and on.text != recorded:
        raise SettingsError(
            f"environment {name!r} is on {recorded}, not on {on.text} ({on.source}); choose another"
            f" name, or take it down: bookpayctl down --name {name} --purge"
        )
    return platform_named(recorded)


def attach(values: Mapping[str, Value], namespace: str, tenant_id: str) -> Environment:
    """A stack that somebody else deployed in a cluster, as an environment that is only looked at.

    Raises:
        TargetError: there is none, or it may not be touched.
        SettingsError: the name is an environment's that was brought up here.
    """
    from bookpayctl.targets.kube.attach import is_attached
    from bookpayctl.targets.kube.platform import KubePlatform

    name = environment_name(values)
    try:
        known = load(name)
    except EnvironmentMissingError:
        return KubePlatform().attach(values, namespace, tenant_id)
    if not is_attached(known):
        raise SettingsError(
            f"environment {name!r} was brought up here; choose another name, or take it down first:"
            f" bookpayctl down --name {name} --purge"
        )
    return KubePlatform().attach(values, namespace, tenant_id)


def reached(environment: Environment) -> Environment:
    """The environment with addresses that work from here.

    Raises:
        TargetError: what it runs on is out of reach.
        UnknownPlatformError: it was brought up by a build that knows more platforms.
    """
    if environment.target == LOCAL:
        # Known without asking anybody; most commands come by here.
        return environment
    return platform_named(environment.target).reach(environment)


def open_target(environment: Environment) -> Target:
    """The environment, to look at and to act on.

    Raises:
        UnknownPlatformError: it was brought up by a build that knows more platforms.
    """
    return platform_named(environment.target).open(environment)


def supervisor_socket(environment: Environment) -> Path | None:
    """Where the supervisor of an environment of this machine listens; None in a cluster."""
    if environment.target != LOCAL:
        return None
    from bookpayctl.targets.local.machine.state import socket_path

    return socket_path(environment.root)


def cluster_of(target: Target) -> ClusterTarget | None:
    """The same target with what only a cluster can do; None where it is in none."""
    return target if isinstance(target, ClusterTarget) else None


def links_of(target: Target) -> LinkTarget | None:
    """The same target with what can be done to its links; None where nothing can."""
    return target if isinstance(target, LinkTarget) else None
