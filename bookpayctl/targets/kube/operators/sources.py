"""The operators' files: from the folder that the user names, the cache, or upstream, in that order.

Whatever brought them, their bytes are the pinned ones, or nothing of them is used. With a folder
given nothing is asked of the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.files import write_atomically
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube.operators.pins import Operator

_FOLDER: Final = "operators"
_CONNECT_SECONDS_MAX: Final = 10.0
_READ_SECONDS_MAX: Final = 60.0

Fetch = Callable[[str], str]
"""Brings the text at an address, or raises OSError."""


class OperatorFilesError(TargetError):
    """Files of an operator cannot be had here; the message names each of them."""

    reason = "operator_files"


class OtherBytesError(TargetError):
    """A file is there and is not the pinned one. None of the operator's is used."""

    code = ExitCode.REFUSED
    reason = "other_bytes"


@dataclass(frozen=True, slots=True)
class OperatorSources:
    """Where the files may come from.

    Attributes:
        brought: the folder of --manifests; None: cache and upstream.
        cache: the user's cache folder.
    """

    brought: Path | None
    cache: Path

    def path(self, operator: Operator, name: str) -> Path:
        """Where a file lies, or will."""
        return (self.brought or self.cache / _FOLDER) / operator.folder / name

    def absent(self, operator: Operator) -> list[str]:
        """The files of an operator that are not there yet."""
        return [name for name in operator.files if not self.path(operator, name).is_file()]


def texts_of(operator: Operator, sources: OperatorSources, fetch: Fetch) -> list[str]:
    """Every file of an operator, each with its pinned digest.

    Raises:
        OperatorFilesError: some are not there, and cannot be fetched.
        OtherBytesError: one has another digest.
    """
    absent = sources.absent(operator)
    if absent and sources.brought is not None:
        raise _cannot_be_had(operator, absent, f"{sources.brought} has not all of them")
    for name in absent:
        try:
            text = fetch(operator.at + name)
        except OSError as error:
            raise _cannot_be_had(operator, sources.absent(operator), str(error)) from error
        _believe(operator, name, text.encode(), operator.at + name)
        path = sources.path(operator, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    texts = []
    for name in operator.files:
        path = sources.path(operator, name)
        raw = path.read_bytes()
        _believe(operator, name, raw, str(path))
        texts.append(raw.decode())
    return texts


def fetch_text(address: str) -> str:
    """What upstream answers; a proxy and its certificates are taken from the shell, as for jars."""
    import requests

    try:
        answer = requests.get(address, timeout=(_CONNECT_SECONDS_MAX, _READ_SECONDS_MAX))
        answer.raise_for_status()
    except requests.RequestException as error:
        raise OSError(f"{address}: {error}") from error
    answer.encoding = "utf-8"
    return answer.text


def _believe(operator: Operator, name: str, raw: bytes, place: str) -> None:
    digest = hashlib.sha256(raw).hexdigest()
    if digest == operator.files[name]:
        return
    error = OtherBytesError(
        f"{place} is not the pinned file of {operator.title}: its SHA-256 is {digest} and should be"
        f" {operator.files[name]}; nothing was changed"
    )
    error.fix = f"bring {operator.at}{name} anew"
    raise error


def _cannot_be_had(operator: Operator, names: list[str], why: str) -> OperatorFilesError:
    wanted = ", ".join(f"{operator.folder}/{name}" for name in names)
    error = OperatorFilesError(
        f"{operator.title} cannot be installed without {wanted} ({why}); nothing was changed"
    )
    error.fix = (
        f"bring them from {operator.at} into DIR/{operator.folder}, then"
        f" `bookpayctl up --manifests DIR`; its pods run {', '.join(operator.images)}"
    )
    return error
