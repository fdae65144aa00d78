"""The six checks of the chapter's checklist, by behaviour, in its order."""

from __future__ import annotations

from typing import Final

from bookpayctl.check import Check
from bookpayctl.checks import (
    outbox_table,
    replay_charges_nobody,
    saga_compensation,
    single_publisher,
    stripe_keys,
    webhook_signature,
)

CHECKS: Final[tuple[Check, ...]] = (
    outbox_table.CHECK,
    single_publisher.CHECK,
    stripe_keys.CHECK,
    webhook_signature.CHECK,
    saga_compensation.CHECK,
    replay_charges_nobody.CHECK,
)
