"""An outcome as the JSON that the gateway answers, and back; pure.

Both ends of the wire import this module, so that what one writes the other reads: for every
outcome, `decode(encode(outcome)) == outcome`. Beside the outcome an answer may carry what it does
not decide (Stripe's request id, a refund's id); `decode` looks at none of it.

A document that is not exactly one of these is `Unknown`. To take half of one for a decline or a
refusal would say that no money moved, which nobody has said.

Three fields carry more than their name says, and the wire keeps them:

- `replayed` beside `unknown`: Stripe replayed what it had saved, so the key will never say more.
- `code` is the reason of an outcome that has no code of Stripe's.
- `patient` never leaves the gateway, which answers such a retry with 409 and no outcome at all
  (`refusal`); it stands here so that no outcome is lost in silence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, TypeGuard, assert_never

from runtime.domain import strict_json
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import (
    Declined,
    Halt,
    Outcome,
    Parked,
    Pending,
    Retry,
    Settled,
    Unknown,
)

Scalar = str | float | bool | None

UNREADABLE: Final = "unreadable gateway answer"

# An answer is one flat object; a few levels are left for fields that a later gateway may add.
DEPTH_MAX: Final = 8


class _NotADocumentError(ValueError):
    """A field is not of its type."""


def word_of(outcome: Outcome) -> str:
    """The outcome's name on the wire, in journals and in metric labels: `settled`, `declined`..."""
    return type(outcome).__name__.lower()


def encode(outcome: Outcome) -> dict[str, Scalar]:
    """The fields of an answer that the outcome decides; what is left out is null or false."""
    word: dict[str, Scalar] = {"outcome": word_of(outcome)}
    match outcome:
        case Settled():
            # The status says nothing new; whoever reads answers by eye expects Stripe's word.
            return word | {"payment_intent_id": outcome.payment_intent_id, "status": "succeeded"}
        case Pending():
            return word | {
                "payment_intent_id": outcome.payment_intent_id,
                "status": outcome.status,
            }
        case Declined():
            return word | {
                "payment_intent_id": outcome.payment_intent_id,
                "code": outcome.code,
                "decline_code": outcome.decline_code,
            }
        case Parked() | Halt():
            return word | {"code": outcome.reason}
        case Retry():
            told = word | {
                "code": outcome.reason,
                "may_run": outcome.may_run,
                "retry_after_seconds": outcome.after_seconds,
            }
            patient: dict[str, Scalar] = {"patient": True} if outcome.patient else {}
            unreached: dict[str, Scalar] = {"unreached": True} if outcome.unreached else {}
            return told | patient | unreached
        case Unknown():
            return word | {"code": outcome.reason, "replayed": outcome.saved_failure}
        case _:
            assert_never(outcome)


def read(body: bytes, content_type: str | None, wanted: str) -> Mapping[str, object] | None:
    """The document in an answer's body.

    Args:
        wanted: the media type that our gateway gives it.

    Returns:
        None when it is not one JSON object, read one way only, or is called something else.
    """
    if (content_type or "").partition(";")[0].strip().lower() != wanted:
        return None
    try:
        document: object = strict_json.parse(body, depth_max=DEPTH_MAX)
    except strict_json.NotStrictError:
        return None
    return document if _is_object(document) else None


def _is_object(document: object) -> TypeGuard[Mapping[str, object]]:
    # JSON has no other keys than texts.
    return isinstance(document, dict)


def decode(document: object) -> Outcome:
    """The outcome of a parsed body; `Unknown` for whatever is none. Never raises."""
    if not _is_object(document):
        return Unknown(UNREADABLE)
    try:
        return _decode(document)
    except _NotADocumentError:
        return Unknown(UNREADABLE)


def _decode(document: Mapping[str, object]) -> Outcome:
    intent = _intent(document)
    code = _text(document, "code")
    match document.get("outcome"):
        case "settled" if intent is not None:
            return Settled(intent)
        case "pending" if intent is not None:
            return Pending(intent, _text(document, "status") or "")
        case "declined":
            decline_code = _text(document, "decline_code")
            # The gateway always has a code; the seed's did not, and a decline without one is one.
            return Declined("card_declined" if code is None else code, intent, decline_code)
        case "parked":
            return Parked("invalid_request" if code is None else code)
        case "halt":
            return Halt("halt" if code is None else code)
        case "retry":
            return Retry(
                "retry" if code is None else code,
                _seconds(document, "retry_after_seconds"),
                _flag(document, "may_run"),
                _flag(document, "patient"),
                _flag(document, "unreached"),
            )
        case _:
            # Also a success that names no PaymentIntent: money may have moved, nobody knows whose.
            return Unknown("unknown" if code is None else code, _flag(document, "replayed"))


PROBLEM_TYPE: Final = "application/problem+json"
DOCUMENT_TYPE: Final = "application/json"

# The gateway's refusals that a caller acts on, by status; a proxy's page has none of these codes.
_REFUSALS: Final = {
    401: frozenset({"unauthorized"}),
    409: frozenset({"no_v1_outcome"}),
    422: frozenset({"body_invalid", "request_invalid"}),
}


def refusal(
    status: int,
    document: Mapping[str, object] | None,
    retry_after: str | None,
    *,
    not_sent: bool,
) -> Outcome:
    """The outcome of an answer that is no 200: the gateway's own refusals, which are not Stripe's.

    Args:
        document: the problem in its body; None when it is no problem document.
        retry_after: the header Retry-After, if there is one.
        not_sent: the gateway itself says that Stripe was not asked. A 503 without that may be a
            proxy's, which had forwarded the request.
    """
    if status == 503 and not_sent:
        return Retry("gateway unavailable", seconds_of_header(retry_after), unreached=True)
    # Its number alone is anybody's: whoever stands in between refuses with the same ones.
    code = document.get("code") if document is not None else None
    if not isinstance(code, str) or code not in _REFUSALS.get(status, ()):
        return Unknown(f"gateway http {status}")
    match status:
        case 401:
            return Halt("the gateway refused our token")
        case 422:
            return Parked("gateway_rejected_request")
        case _:
            # Shadow mode: v1 has not said yet what became of it, which may take it a day.
            return Retry("no_v1_outcome", seconds_of_header(retry_after), patient=True)


def seconds_of_header(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds; a date, which no party here sends, counts as none."""
    # ASCII alone: `isdigit` holds for superscripts, which `float` refuses.
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    return None


def _text(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _NotADocumentError(name)


def _intent(document: Mapping[str, object]) -> PaymentIntentId | None:
    text = _text(document, "payment_intent_id")
    return PaymentIntentId(text) if text else None


def _flag(document: Mapping[str, object], name: str) -> bool:
    value = document.get(name, False)
    if isinstance(value, bool):
        return value
    raise _NotADocumentError(name)


def _seconds(document: Mapping[str, object], name: str) -> float | None:
    value = document.get(name)
    if value is None:
        return None
    # A bool is an int to Python, and NaN would make every comparison with a deadline false.
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise _NotADocumentError(name)
