"""Parsing `POST /orders` and `POST /orders/{id}/cancel`, pure: bytes in, a sure type or a Problem.

Stricter than JSON: no NaN, no duplicate keys, no unknown fields, no text a database or a log could
trip over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.adapters.store.orders import Item
from runtime.domain import strict_json
from runtime.domain.money import AMOUNT_CENTS_MAX
from runtime.services.orders.problem import Problem

BODY_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 16
ITEMS_MAX: Final = 100
QUANTITY_MAX: Final = 1_000
TEXT_MAX: Final = 255
REASON_MAX: Final = 200

UNCLEAN: Final = (
    "\x00-\x1f\x7f-\x9f\u2028-\u202e\u061c\u200b-\u200f\u2060-\u206f"
    "\xad\u180e\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ue000-\uf8ff\U000f0000-\U0010ffff"
)
"""Controls and line breaks, bidi controls, invisible characters, tags and private use, as the
inside of a regular expression's class: nothing a name needs, and each has fooled a log or a
reader. Written out in ranges, because the OpenAPI document says the same."""

# Halves of surrogate pairs too, which no JSON document can name and Python's decoder lets in.
_UNCLEAN: Final = re.compile(f"[{UNCLEAN}\ud800-\udfff]")

_FIELDS: Final = frozenset(
    {"items", "currency", "customer_id", "payment_method", "expected_total_cents"}
)


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """A well-formed order request; prices and stock are not known yet.

    Attributes:
        sha256: of the raw body, to tell a retry from another request under the same key.
    """

    items: tuple[Item, ...]
    currency: str
    customer_id: str
    payment_method: str | None
    expected_total_cents: int | None
    sha256: bytes


def parse_idempotency_key(values: Sequence[str]) -> str:
    """The client's key.

    Args:
        values: of every such header of the request.

    Raises:
        Problem: it is missing, there are two, or it is not 1 to 255 printable ASCII characters.
    """
    if not values:
        raise Problem("key_missing")
    # One header: two of them, and which one counts would depend on the proxy in between.
    key = values[0]
    if len(values) > 1 or not 0 < len(key) <= 255 or not all(" " < char <= "~" for char in key):
        raise Problem("key_invalid")
    return key


def parse_place_order(raw: bytes) -> PlaceOrder:
    """Parse the body of `POST /orders`.

    Raises:
        Problem: with the code of the first rule it breaks.
    """
    body = parse_object(raw)
    # A misspelt expected_total_cents that is ignored would charge what the customer never saw.
    if body.keys() - _FIELDS:
        raise Problem("unknown_field")
    return PlaceOrder(
        items=_items(body.get("items")),
        currency=_currency(body.get("currency")),
        customer_id=_text(body.get("customer_id")),
        payment_method=_payment_method(body.get("payment_method")),
        expected_total_cents=_expected_total(body),
        sha256=hashlib.sha256(raw).digest(),
    )


def parse_cancel(raw: bytes) -> str:
    """Parse the body of `POST /orders/{id}/cancel`; returns the reason.

    Raises:
        Problem: with the code of the first rule it breaks.
    """
    body = parse_object(raw)
    if body.keys() - {"reason"}:
        raise Problem("unknown_field")
    reason = body.get("reason")
    if not isinstance(reason, str) or not 0 < len(reason) <= REASON_MAX or not _clean(reason):
        raise Problem("reason_invalid")
    return reason


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse one strict JSON object, of at most BODY_BYTES_MAX: the reader has seen to that."""
    try:
        # An integer too wide for any reader is below what each of our fields takes, so that it is
        # refused by its field's own code.
        body = strict_json.parse(raw, depth_max=DEPTH_MAX, too_wide=-1)
    except strict_json.NotStrictError:
        raise Problem("body_invalid") from None
    if not isinstance(body, dict):
        raise Problem("body_invalid")
    return body


def _items(value: object) -> tuple[Item, ...]:
    if not isinstance(value, list):
        raise Problem("items_invalid")
    if not value:
        raise Problem("items_empty")
    if len(value) > ITEMS_MAX:
        raise Problem("items_too_many")
    items = [_item(entry) for entry in value]
    if len({item.sku for item in items}) != len(items):
        raise Problem("sku_duplicate")
    # By name, the order in which shelves are locked and items are shown.
    return tuple(sorted(items, key=lambda item: item.sku))


def _item(entry: object) -> Item:
    if not isinstance(entry, dict):
        raise Problem("items_invalid")
    if entry.keys() - {"sku", "quantity"}:
        raise Problem("unknown_field")
    quantity = entry.get("quantity")
    # Not isinstance: true is an int to Python.
    if type(quantity) is not int or not 1 <= quantity <= QUANTITY_MAX:
        raise Problem("qty_invalid")
    return Item(_text(entry.get("sku")), quantity)


def _currency(value: object) -> str:
    if not isinstance(value, str) or len(value) != 3 or not value.isascii():
        raise Problem("currency_invalid")
    if not value.islower() or not value.isalpha():
        raise Problem("currency_invalid")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX or not _clean(value):
        raise Problem("text_invalid")
    return value


def _payment_method(value: object) -> str | None:
    """A PaymentMethod id; any other text would only be Stripe's to refuse."""
    if value is None:
        return None
    text = _text(value)
    if not text.startswith("pm_") or not text.isascii():
        raise Problem("text_invalid")
    return text


def _expected_total(body: dict[str, Any]) -> int | None:
    if "expected_total_cents" not in body:
        return None
    value = body["expected_total_cents"]
    # The same; and 1e3 is a float to JSON, which is no amount.
    if type(value) is not int or not 0 < value <= AMOUNT_CENTS_MAX:
        raise Problem("amount_invalid")
    return value


def _clean(text: str) -> bool:
    return _UNCLEAN.search(text) is None
