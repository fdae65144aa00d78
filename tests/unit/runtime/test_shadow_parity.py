"""What counts as the same in shadow mode; `shadow report` asks the same of the table."""

from __future__ import annotations

import pytest

from runtime.domain.names import PaymentIntentId
from runtime.domain.shadow import V1Outcome, parity

SETTLED = V1Outcome("settled", PaymentIntentId("pi_v1"), None)
DECLINED = V1Outcome("declined", None, "expired_card")


@pytest.mark.parametrize(
    ("v1", "outcome", "code", "expected"),
    [
        (SETTLED, "settled", None, "agreed"),
        (DECLINED, "declined", "expired_card", "agreed"),
        (DECLINED, "declined", "insufficient_funds", "differed"),
        (SETTLED, "declined", "expired_card", "differed"),
        (SETTLED, "parked", "amount_mismatch", "differed"),
        (SETTLED, "unknown", None, "unresolved"),
        (SETTLED, "pending", None, "unresolved"),
        (SETTLED, None, None, "unresolved"),
    ],
)
def test_parity_is_of_ends_and_of_their_reasons(
    v1: V1Outcome, outcome: str | None, code: str | None, expected: str
) -> None:
    assert parity(v1, outcome, code) == expected
