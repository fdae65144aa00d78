"""Arming and clearing the Stripe twin's faults through its control API.

Only the twin can be told to misbehave; a sandbox cannot, and a drill that needs it says so.
"""

from __future__ import annotations

import json
from typing import Any, Final

import urllib3

from bookpayctl.targets.environment import Environment

TIMEOUT_SECONDS: Final = 5.0


class TwinFaultError(RuntimeError):
    """The twin could not be told; the message says what was asked and what it answered."""


def fault_ids(environment: Environment) -> list[str]:
    """Ids of all faults that are active now; none where Stripe is not the twin.

    Raises:
        TwinFaultError: the twin does not answer.
    """
    if environment.stripe_control_url is None:
        return []
    return [fault["id"] for fault in _call(environment, "GET", "/faults")["data"]]


def add_fault(environment: Environment, definition: dict[str, Any]) -> str:
    """Arm one fault; returns its id.

    Raises:
        TwinFaultError: the twin refused it or does not answer.
    """
    return str(_call(environment, "POST", "/faults", definition)["id"])


def clear_fault(environment: Environment, fault_id: str) -> None:
    """Disarm one fault.

    Raises:
        TwinFaultError: the twin does not answer.
    """
    _call(environment, "DELETE", f"/faults/{fault_id}")


def _call(
    environment: Environment, method: str, path: str, document: dict[str, Any] | None = None
) -> dict[str, Any]:
    url = f"{environment.stripe_control_url}{path}"
    try:
        response = urllib3.request(
            method,
            url,
            body=None if document is None else json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
            timeout=TIMEOUT_SECONDS,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise TwinFaultError(f"{method} {url}: {error}") from error
    if not 200 <= response.status < 300:
        answer = response.data.decode("utf-8", "replace")[:200]
        raise TwinFaultError(f"{method} {url} answered {response.status}: {answer}")
    return json.loads(response.data) if response.data.strip() else {}
