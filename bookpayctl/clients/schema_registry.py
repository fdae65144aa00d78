"""A schema registry: asked for a schema by its number, once for each, and for nothing else.

Source:
    Confluent Schema Registry API reference, GET /schemas/ids/{int: id} and its error 40403.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from bookpayctl.clients.http import HttpClient

TIMEOUT_SECONDS: Final = 10.0
_SCHEMA_NOT_FOUND: Final = 40403


class RegistryError(RuntimeError):
    """The registry does not say; nothing may be concluded from what its schemas are of."""


class SchemaRegistry:
    """One registry. A number never means another schema, so an answer is kept."""

    def __init__(self, url: str, *, user: str = "", password: str = "") -> None:
        self._url = url.rstrip("/")
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if user:
            proof = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {proof}"
        self._http = HttpClient(timeout_seconds=TIMEOUT_SECONDS, headers=headers)
        self._known: dict[int, dict[str, Any] | None] = {}

    def schema(self, number: int) -> dict[str, Any] | None:
        """The answer's object, with `schema` and perhaps `schemaType`; None where there is none.

        Raises:
            RegistryError: the registry did not say.
        """
        if number not in self._known:
            self._known[number] = self._ask(number)
        return self._known[number]

    def close(self) -> None:
        self._http.close()

    def _ask(self, number: int) -> dict[str, Any] | None:
        answer = self._http.request("GET", f"{self._url}/schemas/ids/{number}")
        where = f"the schema registry at {self._url}"
        if answer.status is None:
            raise RegistryError(f"{where} does not answer: {answer.error}")
        found = answer.object()
        if answer.status == 404 and found.get("error_code") == _SCHEMA_NOT_FOUND:
            return None
        if answer.status in (401, 403):
            raise RegistryError(
                f"{where} refuses us ({answer.status}): see kafka.registry_user and its password"
            )
        if not answer.ok or not isinstance(found.get("schema"), str):
            raise RegistryError(f"{where} answers {answer.status} and no schema: is it a registry?")
        return found
