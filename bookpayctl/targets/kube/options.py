"""The settings of an `up` in a cluster, read and checked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bookpayctl.targets import credentials, settings
from bookpayctl.targets.kube.contexts import allowed_contexts
from bookpayctl.targets.settings import SettingsError, Value

_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

# What only has a meaning on one machine.
_LOCAL_ONLY: Final = ("webhook_port", "dsn", "bootstrap_servers")

# What only has a meaning where this tool makes the cluster.
_KIND_ONLY: Final = ("kind_cluster", "kind_image", "kind_config", "archive")

TARGET: Final = "kube"

# What `--operators` takes, and the overlay that it stands for where none is named.
OVERLAY_OF: Final = {"none": "standalone", "cnpg": "cnpg", "all": "operators"}


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """Where the cluster is, as the environment remembers it for the commands after `up`.

    Attributes:
        target: name of the platform.
        kubeconfig: a file of the environment's own; empty for what KUBECONFIG names.
        settings: what the platform has to know again.
        image_id: of the image that the nodes hold under the name; empty when it is not known.
    """

    target: str = TARGET
    kubeconfig: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class KubeOptions:
    """What the user decided.

    Attributes:
        context: of the kubeconfig; None for the current one.
        allowed: contexts that may be touched though they are not kind's.
        overlay: name of a folder of manifests/overlays, or the path of a kustomization.
        image: what every container of ours runs.
        operators: which operators may be installed: `none`, the name of one, or `all`.
        operator_files: folder with their files; None: the cache, and upstream.
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
    publisher: str
    failpoints: bool
    stripe_shared: bool
    log_level: str
    timeout_seconds: float
    stripe_api_base: str | None = None
    given_secrets: Mapping[str, str] = field(default_factory=dict)
    operators: str = "none"
    operator_files: Path | None = None
    place: ClusterPlace = field(default_factory=ClusterPlace)


def read_options(
    values: Mapping[str, Value], environ: Mapping[str, str], target: str = TARGET
) -> KubeOptions:
    """Check every setting of `up`.

    Raises:
        SettingsError: one is wrong, or means nothing in a cluster.
        LiveKeyError: the user's Stripe key is a live one.
    """
    settings.refuse_flags(values, _LOCAL_ONLY, f"--on {target}; its manifests say what is used")
    if target == TARGET:
        settings.refuse_flags(values, _KIND_ONLY, f"--on {target}; it belongs to --on kind")
    if settings.switch(values, "tap"):
        raise SettingsError(f"tap is on; it stands on one machine only, and not with --on {target}")
    stripe_api_base = values["stripe_api_base"].text or None
    operators = settings.choice(
        values, "install_operators", tuple(map(str.upper, OVERLAY_OF))
    ).lower()
    operator_files = values["operator_manifests"].text
    return KubeOptions(
        name=settings.environment_name(values),
        context=values["context"].text or None,
        allowed=allowed_contexts(values["kube_contexts"].text),
        overlay=values["overlay"].text or OVERLAY_OF[operators],
        image=values["image"].text,
        twin_latency_ms=settings.whole(values, "twin_latency_ms", least=0, most=60_000) or 0,
        webhook_window_seconds=round(settings.seconds(values, "webhook_window")),
        shadow_mode=settings.switch(values, "shadow_mode"),
        publisher=settings.publisher(values),
        failpoints=settings.switch(values, "failpoints"),
        stripe_shared=settings.switch(values, "stripe_shared"),
        log_level=settings.choice(values, "log_level", _LOG_LEVELS),
        timeout_seconds=settings.seconds(values, "up_timeout"),
        stripe_api_base=stripe_api_base,
        given_secrets=credentials.brought(environ) if stripe_api_base else {},
        operators=operators,
        operator_files=Path(operator_files).absolute() if operator_files else None,
    )
