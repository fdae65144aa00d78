"""Asking the processes of an environment over their HTTP and admin ports.

A process that does not answer is a value here; whether that is an error is the caller's question.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from bookpayctl.targets.environment import Environment, ProcessSpec

TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a port answered; `status` None when nothing did, then `text` says why."""

    process: str
    status: int | None
    text: str

    def json(self) -> dict[str, Any]:
        """The body as an object, empty when it is none."""
        try:
            document = json.loads(self.text)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def processes_of(environment: Environment, service: str) -> list[ProcessSpec]:
    """The processes of one service, in the environment's order."""
    return [spec for spec in environment.processes if spec.service == service]


def get(process: ProcessSpec, path: str) -> Spoken:
    """GET one path of a process on this machine."""
    if process.port is None:
        return Spoken(process.name, None, "it has no port")
    try:
        response = urllib3.request(
            "GET",
            f"http://127.0.0.1:{process.port}{path}",
            timeout=TIMEOUT_SECONDS,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        return Spoken(process.name, None, type(error).__name__)
    return Spoken(process.name, response.status, response.data.decode("utf-8", "replace"))


def alive(environment: Environment, service: str) -> list[ProcessSpec]:
    """The processes of a service that answer /healthz."""
    return [
        spec for spec in processes_of(environment, service) if get(spec, "/healthz").status == 200
    ]
