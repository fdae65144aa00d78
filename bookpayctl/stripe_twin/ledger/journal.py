"""The journal of requests: one row each, and what an auditor should look at twice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bookpayctl.stripe_twin.ledger.store import Column

# Keys our services use: an event or refund id (a UUID), and `<event id>:cancel`.
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_KNOWN_KEY = re.compile(rf"{_UUID}(:[a-z_]+(:[0-9]+)?)?")


@dataclass(slots=True)
class JournalEntry:
    """What is known of a request; filled in on its way through the pipeline."""

    number: int
    request_id: str
    method: str
    path: str
    at: float
    wall_at: float
    body_sha256: str
    account: str | None = None
    key: str | None = None
    replayed: bool = False
    executed: bool = False
    original_request: str | None = None
    object_id: str | None = None
    code: str | None = None
    flags: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    env: str | None = None
    event_id: str | None = None

    def row(self, status: int) -> tuple[Column, ...]:
        """The row for the ledger, in the order of `schema.ADD_REQUEST`."""
        return (
            self.number,
            self.request_id,
            self.at,
            self.wall_at,
            self.account,
            self.method,
            self.path,
            self.key,
            self.body_sha256,
            status,
            int(self.replayed),
            int(self.executed),
            self.original_request,
            self.object_id,
            self.code,
            ",".join(self.flags),
            ",".join(self.faults),
            self.env,
            self.event_id,
        )


def flags_of(method: str, path: str, key: str | None, metadata: Mapping[str, str]) -> list[str]:
    """What is suspicious about a request of an application that follows our protocol.

    `keyless`: a POST that carries our metadata and no key, so a retry would charge again.
    `unknown_key`: a key of no shape of ours; the SDK makes such keys up when it is given none.
    `key_not_event_id`: a PaymentIntent for an event under a key that is not the event's id.
    """
    # Other methods execute nothing that a key could protect.
    if method != "POST":
        return []
    ours = "env" in metadata and "event_id" in metadata
    if key is None:
        return ["keyless"] if ours else []
    # A made-up key is worse than it looks: a retry of the application's own gets another one, and
    # charges again.
    flags = [] if _KNOWN_KEY.fullmatch(key) else ["unknown_key"]
    if ours and path == "/v1/payment_intents" and key != metadata["event_id"]:
        flags.append("key_not_event_id")
    return flags
