"""What an image says about itself: how a container of it begins, and its labels. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.image.account import UID
from bookpayctl.image.layer import EPOCH, Layer

HOME: Final = "opt/bookpay"
SITE: Final = f"{HOME}/site-packages"
CACHE: Final = f"{HOME}/cache"

ENTRYPOINT: Final = ["python3", "-P", "-m"]
COMMAND: Final = ["bookpayctl", "--help"]

VARIABLES: Final = {
    "PYTHONPATH": f"/{SITE}",
    "BOOKPAY_CACHE": f"/{CACHE}",
    # The root file system is read-only; what there is to compile was compiled when it was built.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
    "HOME": "/tmp",  # noqa: S108 - the one folder that is written; each pod has its own.
}


@dataclass(frozen=True, slots=True)
class ImageOrigin:
    """Where the code in an image comes from.

    Attributes:
        revision: of the source; empty when it is not known.
        source: an address of it; empty when there is none to name.
    """

    version: str
    revision: str = ""
    source: str = ""

    def labels(self) -> dict[str, str]:
        """Source: OCI image specification, annotations.md."""
        prefix = "org.opencontainers.image"
        labels = {
            f"{prefix}.title": "bookpay",
            f"{prefix}.description": "The services of bookpay, its Stripe twin, and its servers",
            f"{prefix}.licenses": "Apache-2.0",
            f"{prefix}.version": self.version,
            f"{prefix}.revision": self.revision,
            f"{prefix}.source": self.source,
            # Of the content, which has no time of its own; not of the run that wrote it.
            f"{prefix}.created": EPOCH,
        }
        return {name: value for name, value in labels.items() if value}


def described(
    base: Mapping[str, Any], layers: Sequence[tuple[str, Layer]], origin: ImageOrigin
) -> bytes:
    """The configuration of the image that stands on `base`, as it is written.

    Args:
        layers: what made each of our layers, in words, and the layer.
    """
    below = dict(base.get("config") or {})
    variables = dict(pair.split("=", 1) for pair in below.get("Env") or [])
    config = {
        **{name: value for name, value in below.items() if name not in _OF_A_CONTAINER},
        "Env": [f"{name}={value}" for name, value in {**variables, **VARIABLES}.items()],
        "Entrypoint": ENTRYPOINT,
        "Cmd": COMMAND,
        "User": f"{UID}:{UID}",
        "WorkingDir": "/",
        "Labels": {**(below.get("Labels") or {}), **origin.labels()},
    }
    diff_ids = [*base["rootfs"]["diff_ids"], *(layer.diff_id for _, layer in layers)]
    whole = {
        "architecture": base["architecture"],
        "os": base["os"],
        "created": EPOCH,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **_history(base, [how for how, _ in layers]),
    }
    if base.get("variant"):
        whole["variant"] = base["variant"]
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


# What a base says about the program it would run, which is not ours.
_OF_A_CONTAINER: Final = frozenset(
    {"Healthcheck", "ExposedPorts", "Volumes", "Hostname", "Image", "OnBuild", "StopSignal"}
)


def image_id(config: bytes) -> str:
    """How engines call the image: the digest of its configuration."""
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


def _history(base: Mapping[str, Any], hows: Sequence[str]) -> dict[str, Any]:
    """The base's history and ours; none when the base's does not match its layers."""
    before = base.get("history") or []
    with_layer = [line for line in before if not line.get("empty_layer")]
    if len(with_layer) != len(base["rootfs"]["diff_ids"]):
        return {}
    ours = [{"created": EPOCH, "created_by": f"bookpayctl image build: {how}"} for how in hows]
    return {"history": [*before, *ours]}
