"""The receiver's answers: flat bodies, fixed sentences, nothing of the input echoed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from runtime.adapters.http.wire import WireAnswers, WireRefusal

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """One HTTP answer, complete.

    Attributes:
        code: the stable name of the answer, for logs and metrics; never sent.
    """

    code: str
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def _refusal(code: str, status: int, sentence: str, **headers: str) -> WebhookAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookAnswer(
        code, status, json.dumps({"error": sentence}, separators=(",", ":")).encode(), named
    )


RECEIVED: Final = WebhookAnswer("received", 200, b'{"received":true}')

REFUSALS: Final = {
    reply.code: reply
    for reply in (
        _refusal("signature_missing", 400, "missing stripe-signature header"),
        # One sentence for both: whoever forges learns nothing from being refused.
        _refusal("signature_malformed", 400, "invalid signature"),
        _refusal("signature_invalid", 400, "invalid signature"),
        _refusal("signature_expired", 400, "timestamp outside tolerance"),
        _refusal("signature_future", 400, "timestamp outside tolerance"),
        _refusal("body_too_large", 413, "body too large"),
        _refusal("slow_body", 408, "request timeout"),
        _refusal("body_invalid", 400, "invalid body"),
        _refusal("method", 405, "method not allowed", Allow="POST"),
        _refusal("path", 404, "not found"),
        _refusal("content_type", 415, "unsupported media type"),
        _refusal("head_too_large", 431, "header fields too large"),
        # Stripe spaces its retries by itself; a proxy in between does as it is told.
        _refusal("unavailable", 503, "temporarily unavailable", Retry_After="1"),
    )
}

WIRE_ANSWERS: Final = WireAnswers(
    _JSON,
    {
        # Below HTTP there is no path yet, and so no better word.
        WireRefusal.MALFORMED: REFUSALS["body_invalid"].body,
        WireRefusal.SLOW: REFUSALS["slow_body"].body,
        WireRefusal.HEAD_TOO_LARGE: REFUSALS["head_too_large"].body,
    },
)
