"""Refusals of the orders API: RFC 9457 problem documents with a stable `code`.

A fixed sentence per code; nothing of the input is echoed.
"""

from __future__ import annotations

import json
from typing import Final

TITLES: Final[dict[str, tuple[int, str]]] = {
    "unauthorized": (401, "a valid bearer token is needed"),
    "not_found": (404, "there is nothing here"),
    "method_not_allowed": (405, "this path does not take that method"),
    "content_type": (415, "the body must be application/json, unencoded"),
    "body_too_large": (413, "the body is larger than 64 KiB"),
    "body_invalid": (400, "the body is not one JSON object"),
    "key_missing": (400, "the Idempotency-Key header is needed"),
    "key_invalid": (400, "Idempotency-Key must be 1 to 255 printable ASCII characters"),
    "key_reused": (422, "this Idempotency-Key was used with another body"),
    "key_in_progress": (409, "a request with this Idempotency-Key is under way"),
    "unknown_field": (422, "the body has a field that is not known here"),
    "amount_invalid": (422, "expected_total_cents must be a positive integer"),
    "price_mismatch": (422, "the books cost something else than expected_total_cents"),
    "currency_invalid": (422, "currency must be one the books are priced in, in lower case"),
    "qty_invalid": (422, "quantity must be an integer from 1 to 1000"),
    "items_empty": (422, "items must name at least one book"),
    "items_invalid": (422, "items must be a list of {sku, quantity}"),
    "items_too_many": (422, "an order has at most 100 items"),
    "sku_unknown": (422, "a book is not in the catalogue"),
    "sku_duplicate": (422, "a book is named twice"),
    "out_of_stock": (409, "not enough copies are left"),
    "text_invalid": (422, "a text is missing, too long, or holds control characters"),
    "reason_invalid": (422, "reason must be 1 to 200 printable characters"),
    "order_closed": (409, "the order has ended and cannot be cancelled"),
    "unavailable": (503, "the service cannot reach its database; try again"),
}

RETRY_AFTER_SECONDS: Final = "1"


class Problem(Exception):  # noqa: N818 - the field's word
    """A refusal; raised by the request's code, rendered at one place."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def status(self) -> int:
        return TITLES[self.code][0]

    def body(self) -> bytes:
        """The application/problem+json document."""
        status, title = TITLES[self.code]
        document = {
            "type": f"urn:bookpay:problem:{self.code}",
            "title": title,
            "status": status,
            "code": self.code,
        }
        return json.dumps(document).encode()

    def headers(self) -> dict[str, str]:
        match self.status:
            case 503:
                return {"Retry-After": RETRY_AFTER_SECONDS}
            case 401:
                return {"WWW-Authenticate": "Bearer"}
            case _:
                return {}
