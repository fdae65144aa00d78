"""What an operator asks the reconciler for, and its answer."""

from __future__ import annotations

from tests.support.stack import Shop
from tests.support.waiting import eventually


def ask_operator(shop: Shop, kind: str, **subject: object) -> tuple[str, str]:
    """Write an operator's request and wait for its answer: result and detail.

    Args:
        subject: what it is about: `row_id` or `event_id`.
    """
    request = shop.database.value(
        "INSERT INTO operator_requests (kind, row_id, event_id, requested_by)"
        " VALUES (%s, %s, %s, 'suite') RETURNING id",
        *(kind, subject.get("row_id"), subject.get("event_id")),
    )

    def answer() -> list[tuple[str, str]]:
        found = shop.database.rows(
            "SELECT result, detail FROM operator_requests WHERE id = %s AND handled_at IS NOT NULL",
            request,
        )
        return [(row[0], row[1]) for row in found]

    return eventually(answer, f"request {request} is handled")[0]
