"""A schema registry: asked for a schema and what it refers to, once for each, and for nothing else.

Source:
    Confluent Schema Registry API reference, GET /schemas/ids/{int: id} and GET
    /subjects/(string: subject)/versions/(versionId: version), their `format` for Protobuf and
    their errors 40401 to 40403.
"""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import quote

from bookpayctl.clients.http import HttpClient

TIMEOUT_SECONDS: Final = 10.0
# Of a subject, of its version, and of a number.
_NOT_FOUND: Final = frozenset({40401, 40402, 40403})
_SERIALIZED: Final = "format=serialized"


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
        self._known: dict[str, dict[str, Any] | None] = {}

    def schema(self, number: int) -> dict[str, Any] | None:
        """The answer's object, with `schema` and perhaps `schemaType`; None where there is none.

        Raises:
            RegistryError: the registry did not say.
        """
        return self._answer(f"schemas/ids/{number}")

    def descriptor(self, number: int) -> dict[str, Any] | None:
        """The same of a schema in Protobuf, whose `schema` is a FileDescriptorProto in base64.

        Raises:
            RegistryError: as above.
        """
        return self._answer(f"schemas/ids/{number}?{_SERIALIZED}")

    def version_descriptor(self, subject: str, version: int) -> dict[str, Any] | None:
        """The same of what a schema refers to.

        Raises:
            RegistryError: as above.
        """
        return self._answer(f"subjects/{quote(subject, safe='')}/versions/{version}?{_SERIALIZED}")

    def close(self) -> None:
        self._http.close()

    def _answer(self, path: str) -> dict[str, Any] | None:
        if path not in self._known:
            self._known[path] = self._ask(path)
        return self._known[path]

    def _ask(self, path: str) -> dict[str, Any] | None:
        answer = self._http.request("GET", f"{self._url}/{path}")
        where = f"the schema registry at {self._url}"
        if answer.status is None:
            raise RegistryError(f"{where} does not answer: {answer.error}")
        found = answer.object()
        if answer.status == 404 and found.get("error_code") in _NOT_FOUND:
            return None
        if answer.status in (401, 403):
            raise RegistryError(
                f"{where} refuses us ({answer.status}): see kafka.registry_user and its password"
            )
        if not answer.ok or not isinstance(found.get("schema"), str):
            raise RegistryError(f"{where} answers {answer.status} and no schema: is it a registry?")
        return found
