"""The Stripe twin's control API: its journal, its faults, its clock.

Only the twin can be told to misbehave and shows what it executed; a sandbox can and does neither,
and who needs it says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bookpayctl.clients.http import HttpClient

TIMEOUT_SECONDS: Final = 30.0


class TwinError(RuntimeError):
    """The twin did not do as it was asked; the message names the call and the answer.

    Attributes:
        refused: it answered, and said no; otherwise nobody answered, or it is no twin.
    """

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class TwinControl:
    """One twin; safe to share between threads.

    Every method raises TwinError when the twin does not do as it is asked.
    """

    def __init__(self, control_url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = control_url.rstrip("/")
        self._http = HttpClient(timeout_seconds=timeout_seconds)

    def ask(
        self,
        method: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """One call; the answer as it came. Filters that are None are left out."""
        called = f"{method} {self._url}{path}"
        filters = {name: str(value) for name, value in (query or {}).items() if value is not None}
        answer = self._http.request(
            method,
            self._url + path,
            document=None if method in ("GET", "DELETE") else dict(document or {}),
            query=filters or None,
        )
        if answer.status is None:
            raise TwinError(f"{called}: {answer.error}", refused=False)
        found = _parsed(answer.body)
        if found is None:
            raise TwinError(f"{called} did not answer JSON; is it a twin?", refused=False)
        if not answer.ok:
            message = (found.get("error") or {}).get("message", answer.status)
            raise TwinError(f"the twin refused: {message}", refused=True)
        return found

    def rows(self, collection: str, **filters: object) -> list[dict[str, Any]]:
        """All rows of one collection, e.g. `faults`, oldest first."""
        return list(self.each(collection, filters))

    def each(
        self, collection: str, filters: Mapping[str, object], *, page_rows: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The same row by row: one page of it is in memory, however many there are.

        Args:
            filters: what the collection is asked for; `after` is the number that all rows exceed.
            page_rows: how many rows a page has; None for as many as the twin gives.
        """
        after = filters.get("after")
        while True:
            query = {**filters, "after": after, "limit": page_rows}
            page = self.ask("GET", f"/{collection}", query=query)
            yield from page["data"]
            if not page.get("has_more"):
                return
            after = page["data"][-1]["n"]

    def fault_ids(self) -> list[str]:
        """Ids of the faults that are active now."""
        return [str(fault["id"]) for fault in self.rows("faults")]

    def add_fault(self, definition: Mapping[str, Any]) -> str:
        """Arm one fault; returns its id."""
        return str(self.ask("POST", "/faults", definition)["id"])

    def clear_fault(self, fault_id: str) -> None:
        """Disarm one fault."""
        self.ask("DELETE", f"/faults/{fault_id}")

    def fault_hits(self, fault_id: str) -> list[dict[str, Any]]:
        """What one fault has struck so far, oldest first."""
        return self.rows("fault-hits", fault_id=fault_id)

    def webhooks_owed(self) -> int:
        """Webhooks that still have to be delivered."""
        return int(self.ask("GET", "/status")["webhooks_owed"])

    def close(self) -> None:
        self._http.close()


def _parsed(body: bytes) -> dict[str, Any] | None:
    """The object of an answer; an empty answer is an empty object, anything else is no twin's."""
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
