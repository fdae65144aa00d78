"""The six checks of the chapter's checklist, by behaviour, in its order: a module for each."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from bookpayctl.check import Check

_MODULES: Final = (
    "outbox_table",
    "single_publisher",
    "stripe_keys",
    "webhook_signature",
    "saga_compensation",
    "replay_charges_nobody",
)

CHECKS: Final[tuple[Check, ...]] = tuple(
    import_module(f"{__name__}.{module}").CHECK for module in _MODULES
)
