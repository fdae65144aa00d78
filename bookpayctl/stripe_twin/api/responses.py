"""Turns what was made of a request into headers, bytes and a way to transmit them. Pure.

Header names and values were recorded from Stripe's test mode: `Original-Request` equals
`Request-Id` on the first answer, `Idempotent-Replayed` exists on replays only. `Date` (RFC
9110, 6.6.1) is the clock that objects are dated by: that it was moved is seen from outside.
"""

from dataclasses import dataclass
from email.utils import formatdate

from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.faults.book import FaultHit
from bookpayctl.stripe_twin.idempotency import KeyClaim
from bookpayctl.stripe_twin.ledger.journal import JournalEntry
from bookpayctl.stripe_twin.resources import API_VERSION
from bookpayctl.stripe_twin.wire.message import (
    JSON_TYPE,
    Cut,
    Silence,
    Transmission,
    Truncated,
    Whole,
)

_HTML_TYPE = "text/html; charset=utf-8"
_HTML = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
# Refusals after which a client should judge by the status alone.
_UNDECIDED = (409, 429)


@dataclass(slots=True)
class PreparedResponse:
    """What was made of a request.

    Attributes:
        should_retry: the Stripe-Should-Retry header; None leaves it out.
        claim: the idempotency key to release when this is on disk.
    """

    status: int
    body: str
    should_retry: str | None
    claim: KeyClaim | None = None


def refusal_of(error: ApiError) -> PreparedResponse:
    """A refusal, with the retry advice that its status implies."""
    undecided = error.status in _UNDECIDED or error.status >= 500
    return PreparedResponse(error.status, error.body(), None if undecided else "false")


def json_of(error: ApiError) -> str:
    """The body of an error."""
    return error.body()


def headers_of(
    made: PreparedResponse, entry: JournalEntry, version: str | None
) -> tuple[tuple[str, str], ...]:
    """The headers of the answer, beside those of the wire."""
    headers = [
        ("Date", formatdate(entry.at, usegmt=True)),
        ("Request-Id", entry.request_id),
        ("Stripe-Version", API_VERSION if version is None else version),
        ("Cache-Control", "no-cache, no-store"),
        ("Access-Control-Allow-Origin", "*"),
    ]
    # Recorded on answers to POST alone.
    if entry.method == "POST":
        if entry.key is not None:
            headers.append(("Idempotency-Key", entry.key))
        if entry.original_request is not None:
            headers.append(("Original-Request", entry.original_request))
        if entry.replayed:
            headers.append(("Idempotent-Replayed", "true"))
        # Also on a plain 200, where recorded answers carry "false".
        if made.should_retry is not None:
            headers.append(("Stripe-Should-Retry", made.should_retry))
    return tuple(headers)


def transmission_of(
    made: PreparedResponse, hits: list[FaultHit]
) -> tuple[int, bytes, str, Transmission]:
    """Status, body, content type and transmission: as made, or as a fault has it."""
    body = made.body.encode()
    for hit in hits:
        rule = hit.rule
        match rule.action:
            case "execute_then_cut":
                return made.status, body, JSON_TYPE, Cut(reset=rule.number("reset") != 0)
            case "execute_then_timeout":
                return made.status, body, JSON_TYPE, Silence(rule.number("seconds"))
            # stripe-python 16.1 tries again after a body cut short when it uses httpx, and does not
            # when it uses requests: a caller may rely on neither.
            case "execute_then_truncate":
                # At least one byte is missing, or nothing would be broken.
                sent = min(int(rule.number("bytes")), len(body) - 1)
                return made.status, body, JSON_TYPE, Truncated(sent)
            # A page of some proxy with a 200 makes stripe-python raise an APIError whose
            # http_status is 200: not every success is one.
            case "execute_then_html":
                return int(rule.number("status")), _HTML, _HTML_TYPE, Whole(replaced=True)
            # The same, for a reader that checks the status and never gets to the body.
            case "execute_then_empty":
                return 200, b"", JSON_TYPE, Whole(replaced=True)
            case _:
                continue
    return made.status, body, JSON_TYPE, Whole()
