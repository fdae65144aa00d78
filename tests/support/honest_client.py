"""Schemathesis hooks: what an honest client knows beyond the OpenAPI document.

Schemathesis loads this file. Only requests that are meant to be good are completed (a catalogue's
books, a fresh key, a signature); what is meant to be refused goes out as it was generated.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from uuid import uuid4

import requests
import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from tests.support.signing import signature

# The request this thread is about to send: the bytes to be signed are only known at the very end.
_sending = threading.local()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Complete a request that is meant to be good."""
    _sending.to_be_signed = False
    if not _is_meant_to_be_good(case):
        return
    if isinstance(case.body, dict | list | float | int):
        case.body = _as_integers(case.body)
    match case.operation.path:
        case "/orders":
            case.headers["Idempotency-Key"] = uuid4().hex
            if isinstance(case.body, dict):
                _fill_order(case.body)
        case "/stripe/webhook":
            _sending.to_be_signed = True
        case _:
            pass


def _is_meant_to_be_good(case: Case[Any]) -> bool:
    """Whether the request as a whole and each of its parts were generated to be accepted."""
    if case.meta is None:
        return False
    modes = [case.meta.generation.mode, *(part.mode for part in case.meta.components.values())]
    return all(mode is GenerationMode.POSITIVE for mode in modes)


def _as_integers(value: Any) -> Any:
    """Whole numbers written as such, none beyond 2**53: JSON Schema cannot say either.

    To JSON Schema 1.0 is an integer; to our services it is none, as no money is a float.
    """
    match value:
        case bool():
            return value
        case float() if value.is_integer():
            return _as_integers(int(value))
        case int():
            return max(-(2**53), min(2**53, value))
        case dict():
            return {name: _as_integers(inner) for name, inner in value.items()}
        case list():
            return [_as_integers(inner) for inner in value]
        case _:
            return value


def _fill_order(order: dict[str, Any]) -> None:
    """Books that exist, each once, in the currency they are priced in, for what they cost."""
    for number, item in enumerate(order.get("items", [])):
        item["sku"] = f"book-{number}"
    order["currency"] = "usd"
    if "expected_total_cents" in order:
        order["expected_total_cents"] = sum(item["quantity"] for item in order["items"])


class Signing(requests.auth.AuthBase):
    """Signs the bytes that really go out, where a signature was asked for."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if getattr(_sending, "to_be_signed", False):
            body = request.body or b""
            raw = body.encode() if isinstance(body, str) else bytes(body)
            secret = os.environ["CONTRACT_WEBHOOK_SECRET"]
            request.headers["Stripe-Signature"] = signature(raw, secret=secret)
        return request


# The documented way; schemathesis hangs the method on a function where mypy cannot see it.
schemathesis.auth.set_from_requests(Signing()).apply_to(  # type: ignore[attr-defined]
    path="/stripe/webhook"
)
