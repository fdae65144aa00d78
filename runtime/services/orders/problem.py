"""Refusals of the orders API: every code with its status and its sentence."""

from __future__ import annotations

from typing import Final

from runtime.adapters.http import problem

# Codes are promised to clients; the sentences are for people and may change.
TITLES: Final[dict[str, tuple[int, str]]] = {
    **problem.SHARED,
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
    "rate_limited": (429, "this tenant makes more requests than it may; come again later"),
    "unavailable": (503, "the service cannot reach its database; try again"),
}


class Problem(problem.HttpProblem):
    """A refusal by its code."""

    def __init__(
        self, code: str, *, retry_after_seconds: int = problem.RETRY_AFTER_SECONDS
    ) -> None:
        super().__init__(code, *TITLES[code], retry_after_seconds=retry_after_seconds)
