"""The lab's Vault, written to over its API: a secret never stands in a command's arguments."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from bookpayctl.targets.kube.reach.ways import Ways

_PATH: Final = "/v1/kv/data/bookpay/stripe"
# The lab's own, printed in its README; it keeps nothing but what tests make up.
_TOKEN: Final = "root"


class Vault:
    """What External Secrets reads as `bookpay/stripe`."""

    def __init__(self, ways: Ways, ca_file: Path) -> None:
        trusted = ssl.create_default_context(cafile=str(ca_file))
        port = ways.to_service("vault", "vault", 8200)
        self._client = httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=trusted, trust_env=False, timeout=30.0
        )

    def write(self, values: Mapping[str, str]) -> None:
        answer = self._client.post(
            _PATH, headers={"X-Vault-Token": _TOKEN}, json={"data": dict(values)}
        )
        answer.raise_for_status()

    def close(self) -> None:
        self._client.close()
