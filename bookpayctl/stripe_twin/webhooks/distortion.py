"""What a webhook fault makes of a delivery. Pure.

Faults of the envelope (wrong secret, stale, ...) spoil one attempt; the receiver refuses it and
the retry is sound. Faults of the content (another account, live mode, ...) are sent as an event of
their own beside the real one: under the same id an idempotent receiver would lose the real event.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from bookpayctl.stripe_twin.documents import Json, encode_on_lines
from bookpayctl.stripe_twin.faults.rule import Rule
from bookpayctl.stripe_twin.webhooks.signature import fake_v0, sign, signature_header


@dataclass(frozen=True, slots=True)
class Envelope:
    """A body and the signature header it goes out with (none at all if None)."""

    body: bytes
    signature: str | None
    signed_at: int


def sound(event: dict[str, Json], secrets: list[str], now: int) -> Envelope:
    """The delivery as it should be: a fresh timestamp, one v1 per secret."""
    body = encode_on_lines(event).encode()
    return Envelope(body, signature_header(secrets, now, body), now)


def spoiled_envelope(
    rule: Rule, event: dict[str, Json], secrets: list[str], now: int
) -> Envelope | None:
    """The delivery with its envelope spoiled; None if the rule is no fault of the envelope."""
    body = encode_on_lines(event).encode()
    match rule.action:
        case "webhook_wrong_secret":
            return Envelope(body, signature_header(["whsec_not_the_secret"], now, body), now)
        case "webhook_unsigned":
            return Envelope(body, None, now)
        # No v1 at all: to be refused however well the v0 fits.
        case "webhook_v0_only":
            return Envelope(body, f"t={now},v0={fake_v0(now, body)}", now)
        case "webhook_stale":
            then = now - int(rule.number("seconds"))
            return Envelope(body, signature_header(secrets, then, body), then)
        # The official libraries have no upper bound and accept it. A receiver needs one of its own.
        case "webhook_future":
            then = now + int(rule.number("seconds"))
            return Envelope(body, signature_header(secrets, then, body), then)
        case _:
            return None


def foreign_event(
    rule: Rule, event: dict[str, Json], event_id: str, secrets: list[str], now: int
) -> Envelope | None:
    """An event beside the real one, soundly signed; None if the rule asks for no such thing."""
    other: dict[str, Json] = {**event, "id": event_id}
    match rule.action:
        # Soundly signed, so only the content is wrong: what a signature does not prove must be
        # looked at.
        case "webhook_other_account":
            body = encode_on_lines({**other, "account": "acct_somebody_else"}).encode()
        case "webhook_livemode":
            body = encode_on_lines({**other, "livemode": True}).encode()
        case "webhook_huge":
            filler = "x" * int(rule.number("bytes"))
            body = encode_on_lines({**other, "twin_filler": filler}).encode()
        # What an endpoint gets that was set up for events of version 2; the Python library raises a
        # ValueError.
        case "webhook_thin":
            body = encode_on_lines(_thin(other)).encode()
        # The Python library raises a UnicodeDecodeError: a receiver that catches its signature
        # error alone answers 500, and Stripe would send it again and again.
        case "webhook_not_utf8":
            body = b'{"id": "' + event_id.encode() + b'", "object": "event", "x": "\xff\xfe"}'
        case _:
            return None
    return Envelope(body, f"t={now},v1={sign(secrets[0], now, body)}", now)


def _thin(event: dict[str, Json]) -> dict[str, Json]:
    content = event.get("data")
    subject = content.get("object") if isinstance(content, dict) else None
    subject_id = subject.get("id") if isinstance(subject, dict) else None
    subject_kind = subject.get("object") if isinstance(subject, dict) else None
    stamp = event["created"]
    created = datetime.fromtimestamp(stamp if isinstance(stamp, int) else 0, UTC)
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "livemode": False,
        "created": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "related_object": {
            "id": subject_id,
            "type": subject_kind,
            "url": f"/v1/{subject_kind}s/{subject_id}",
        },
    }
