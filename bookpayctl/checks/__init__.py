"""Every question that `check` asks: the chapter's checklist in its order, then the operator's.

A module for each.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from bookpayctl.check import Category, Check

_MODULES: Final = (
    "outbox_table",
    "single_publisher",
    "stripe_keys",
    "webhook_signature",
    "saga_compensation",
    "replay_charges_nobody",
    "operations.outbox_drains",
    "operations.consumers_keep_up",
    "operations.payments_settle",
    "operations.nothing_waits_for_a_person",
    "operations.topics_keep_records",
    "operations.wal_is_released",
    "operations.clocks_agree",
    "operations.disk_has_room",
    "operations.versions_are_supported",
    "operations.schema_is_current",
    "operations.webhook_secret_is_young",
)

CHECKS: Final[tuple[Check, ...]] = tuple(
    import_module(f"{__name__}.{module}").CHECK for module in _MODULES
)

CHECKLIST: Final = tuple(check for check in CHECKS if check.category is Category.CHECKLIST)
