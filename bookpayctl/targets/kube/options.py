"""The settings of an `up` in a cluster, read and checked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.targets import credentials, settings
from bookpayctl.targets.kube.contexts import allowed_contexts
from bookpayctl.targets.settings import SettingsError, Value

_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

# What only has a meaning on one machine.
_LOCAL_ONLY: Final = ("webhook_port", "dsn", "bootstrap_servers")


@dataclass(frozen=True, slots=True)
class KubeOptions:
    """What the user decided.

    Attributes:
        context: of the kubeconfig; None for the current one.
        allowed: contexts that may be touched though they are not kind's.
        overlay: name of a folder of manifests/overlays, or the path of a kustomization.
        image: what every container of ours runs.
        stripe_api_base: an existing Stripe instead of the twin.
    """

    name: str
    context: str | None
    allowed: tuple[str, ...]
    overlay: str
    image: str
    twin_latency_ms: int
    webhook_window_seconds: int
    shadow_mode: bool
    failpoints: bool
    stripe_shared: bool
    log_level: str
    timeout_seconds: float
    stripe_api_base: str | None = None
    given_secrets: Mapping[str, str] = field(default_factory=dict)


def read_options(values: Mapping[str, Value], environ: Mapping[str, str]) -> KubeOptions:
    """Check every setting of `up`.

    Raises:
        SettingsError: one is wrong, or means nothing in a cluster.
        LiveKeyError: the user's Stripe key is a live one.
    """
    for key in _LOCAL_ONLY:
        if values[key].source == settings.FLAG:
            flag = f"--{key.replace('_', '-')}"
            raise SettingsError(
                f"{flag} does not go with --on kube; its manifests say what is used"
            )
    if settings.switch(values, "tap"):
        raise SettingsError("tap is on; it stands on one machine only, and not with --on kube")
    stripe_api_base = values["stripe_api_base"].text or None
    return KubeOptions(
        name=settings.environment_name(values),
        context=values["context"].text or None,
        allowed=allowed_contexts(values["kube_contexts"].text),
        overlay=values["overlay"].text,
        image=values["image"].text,
        twin_latency_ms=settings.whole(values, "twin_latency_ms", least=0, most=60_000) or 0,
        webhook_window_seconds=round(settings.seconds(values, "webhook_window")),
        shadow_mode=settings.switch(values, "shadow_mode"),
        failpoints=settings.switch(values, "failpoints"),
        stripe_shared=settings.switch(values, "stripe_shared"),
        log_level=settings.choice(values, "log_level", _LOG_LEVELS),
        timeout_seconds=settings.seconds(values, "up_timeout"),
        stripe_api_base=stripe_api_base,
        given_secrets=credentials.brought(environ) if stripe_api_base else {},
    )
