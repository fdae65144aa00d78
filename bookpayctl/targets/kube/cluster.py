"""One cluster, as documents in and out, through the Kubernetes client's transport.

Documents stay what the API server sent: mappings. The generated models would drop what they do
not know, and every kind that is not Kubernetes' own has none. Each request has a deadline; what a
request may repeat without doing a thing twice is repeated while the API server is short of breath.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from bookpayctl.targets.kube.errors import (
    AbsentError,
    UnreachableError,
    refusal_of,
)
from bookpayctl.targets.kube.kinds import Kind, prefix_of

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

Document = dict[str, Any]

FIELD_MANAGER: Final = "bookpayctl"

CONNECT_SECONDS_MAX: Final = 5.0
READ_SECONDS_MAX: Final = 30.0

# An API server that is starting, full, or between two leaders: the same request helps.
_AGAIN: Final = frozenset({429, 502, 503, 504})
_TRIES: Final = 6
_PAUSE_SECONDS: Final = 0.25


class Cluster:
    """See the module. Safe to share between threads."""

    def __init__(self, api: ApiClient, context: str) -> None:
        self._api = api
        self.context = context
        self._kinds: dict[tuple[str, str], Kind] = {}

    @cached_property
    def configuration(self) -> Configuration:
        found: Configuration = self._api.configuration
        return found

    @property
    def server(self) -> str:
        return str(self.configuration.host)

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Document:
        """One object.

        Raises:
            AbsentError: there is none.
        """
        return self._document("GET", kind.path(namespace, name))

    def find(self, kind: Kind, name: str, namespace: str | None = None) -> Document | None:
        """One object, or None."""
        try:
            return self.get(kind, name, namespace)
        except AbsentError:
            return None

    def objects(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Document]:
        """All objects of a kind; none where the cluster does not know the kind."""
        query = [
            *([("labelSelector", labels)] if labels else []),
            *([("fieldSelector", fields)] if fields else []),
        ]
        found = self.listing(kind, namespace, query)
        # Items of a list do not repeat what they are.
        named = {"apiVersion": kind.api_version, "kind": kind.kind}
        return [named | item for item in found.get("items") or []]

    def listing(
        self, kind: Kind, namespace: str | None = None, query: Sequence[tuple[str, str]] = ()
    ) -> Document:
        """The same as the API server sends it, with the version that a watch goes on from."""
        return self._document("GET", kind.path(namespace), query)

    def create(self, kind: Kind, document: Document, namespace: str | None = None) -> Document:
        """Make an object.

        Raises:
            ConflictError: it is there.
        """
        return self._document(
            "POST", kind.path(namespace), [("fieldManager", FIELD_MANAGER)], document
        )

    def create_part(
        self, kind: Kind, name: str, part: str, document: Document, namespace: str
    ) -> Document:
        """Post to a part of an object, such as `eviction`; done once, whatever is answered."""
        return self._document("POST", kind.path(namespace, name, part), (), document)

    def replace(self, kind: Kind, document: Document) -> Document:
        """Write an object that was read, unless it changed since.

        Raises:
            ConflictError: it did.
        """
        meta = document["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"])
        return self._document("PUT", path, [("fieldManager", FIELD_MANAGER)], document)

    def apply(self, document: Document, *, force: bool = True, dry_run: bool = False) -> Document:
        """Server-side apply under our name, with every unknown field refused.

        Args:
            force: take fields over that another manager has; ours are decided by the manifests.

        Raises:
            InvalidObjectError: the object is not as its kind wants it.
        """
        kind = self.kind_of(document)
        meta = document["metadata"]
        query = [
            ("fieldManager", FIELD_MANAGER),
            ("fieldValidation", "Strict"),
            ("force", "true" if force else "false"),
            *([("dryRun", "All")] if dry_run else []),
        ]
        path = kind.path(meta.get("namespace"), meta["name"])
        return self._document("PATCH", path, query, document, "application/apply-patch+yaml")

    def patch(
        self, kind: Kind, name: str, change: Document, namespace: str | None = None, sub: str = ""
    ) -> Document:
        """Change some fields (JSON merge patch)."""
        path = kind.path(namespace, name, sub)
        query = [("fieldManager", FIELD_MANAGER)]
        return self._document("PATCH", path, query, change, "application/merge-patch+json")

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        grace_seconds: int | None = None,
        uid: str | None = None,
        policy: str = "Background",
    ) -> bool:
        """Ask for an object to be deleted; whether there was one.

        Args:
            uid: only this very object, not one that took its name since.
        """
        options: Document = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["propagationPolicy"] = policy
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self._document("DELETE", kind.path(namespace, name), (), options)
        except AbsentError:
            return False
        return True

    def text(self, path: str, query: Sequence[tuple[str, str]] = ()) -> str:
        """What is at a path, as text, e.g. the log of a pod."""
        _, body = self._request("GET", path, query)
        return body.decode("utf-8", "replace")

    def lines(
        self, path: str, query: Sequence[tuple[str, str]] = (), *, read_seconds: float | None
    ) -> Iterator[str]:
        """What is at a path, line by line as it comes; ends when the API server ends it.

        Args:
            read_seconds: how long nothing may come.
        """
        from urllib3.exceptions import HTTPError

        try:
            response = self._send("GET", path, query, None, "", (CONNECT_SECONDS_MAX, read_seconds))
            if response.status >= 300:
                raise refusal_of("GET", path, response.status, response.read())
            try:
                yield from _lines_of(response.response.stream(65_536))
            finally:
                # Whoever stops reading leaves half an answer, which no other request may find.
                response.response.close()
        except HTTPError as error:
            raise self._unreachable(error) from error

    def kind_of(self, document: Mapping[str, Any]) -> Kind:
        """Where the objects of a document's kind lie, as the API server says.

        Raises:
            AbsentError: the cluster does not know the kind, e.g. because its CRD is missing.
        """
        return self.kind_named(document["apiVersion"], document["kind"])

    def kind_named(self, api_version: str, name: str) -> Kind:
        """As `kind_of`."""
        known = self._kinds.get((api_version, name))
        if known is not None:
            return known
        try:
            resources = self.resources(api_version)
        except AbsentError as error:
            raise AbsentError(
                f"the cluster does not know {name} of {api_version}; is its operator installed?",
                status=404,
            ) from error
        for entry in resources:
            if "/" not in entry["name"]:
                key = (api_version, entry["kind"])
                self._kinds[key] = Kind(
                    api_version, entry["kind"], entry["name"], entry["namespaced"]
                )
        if (api_version, name) not in self._kinds:
            raise AbsentError(f"the cluster does not know {name} of {api_version}", status=404)
        return self._kinds[api_version, name]

    def expect(self, kind: Kind) -> None:
        """Know a kind that the cluster will have soon, because its definition will be applied."""
        self._kinds.setdefault((kind.api_version, kind.kind), kind)

    def resources(self, api_version: str) -> list[Document]:
        """What the API server knows under one version, e.g. `apps/v1`."""
        found: list[Document] = self._document("GET", prefix_of(api_version))["resources"]
        return found

    def groups(self) -> list[str]:
        """The version that the API server prefers of each group; the first has no name."""
        groups = self._document("GET", "/apis")["groups"]
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]

    def version(self) -> Document:
        """Which Kubernetes it is."""
        return self._document("GET", "/version")

    def now(self) -> datetime:
        """The API server's time, to the second."""
        from urllib3.exceptions import HTTPError

        try:
            timeout = (CONNECT_SECONDS_MAX, READ_SECONDS_MAX)
            response = self._send("GET", "/version", (), None, "", timeout)
            response.read()
        except HTTPError as error:
            raise self._unreachable(error) from error
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)

    def headers(self, path: str) -> dict[str, str]:
        """What a request by other means, such as a websocket, must carry to be let in."""
        _, _, headers, _, _ = self._serialized("GET", path, (), None, "")
        return dict(headers)

    def _document(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: Document | None = None,
        content_type: str = "application/json",
    ) -> Document:
        _, raw = self._request(method, path, query, body, content_type)
        document: Document = json.loads(raw)
        return document

    def _request(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: Document | None = None,
        content_type: str = "application/json",
    ) -> tuple[int, bytes]:
        from urllib3.exceptions import HTTPError

        # A POST that was received and not answered would be done twice.
        tries = 1 if method == "POST" else _TRIES
        for attempt in range(1, tries + 1):
            try:
                timeout = (CONNECT_SECONDS_MAX, READ_SECONDS_MAX)
                response = self._send(method, path, query, body, content_type, timeout)
                status, raw = response.status, response.read()
            except HTTPError as error:
                if attempt == tries:
                    raise self._unreachable(error) from error
            else:
                if status < 300:
                    return status, raw
                if status not in _AGAIN or attempt == tries:
                    raise refusal_of(method, path, status, raw)
            time.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("every round ends above")

    def _send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Document | None,
        content_type: str,
        timeout: tuple[float, float | None],
    ) -> Any:
        serialized = self._serialized(method, path, query, body, content_type)
        _, url, headers, payload, _ = serialized
        return self._api.rest_client.request(
            method, url, headers=headers, body=payload, _request_timeout=timeout
        )

    def _serialized(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Document | None,
        content_type: str,
    ) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        serialized = self._api.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        method, url, headers, _, post = serialized
        # JSON is YAML, too; what the transport knows to be JSON it writes itself.
        as_text = body is not None and content_type.endswith("yaml")
        return method, url, headers, json.dumps(body) if as_text else body, post

    def _unreachable(self, error: Exception) -> UnreachableError:
        cause = getattr(error, "reason", None) or error
        return UnreachableError(
            f"the cluster of context {self.context!r} does not answer at {self.server}: {cause}"
        )


def _lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
