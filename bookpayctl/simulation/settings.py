"""Deadlines, windows and waits of a simulated stack, in seconds.

Those of a local environment (`ARCHITECTURE.md`, deadlines nest), with shorter windows, so that a
seed is at rest within minutes of virtual time.
"""

from __future__ import annotations

from typing import Final

LEASE_SECONDS: Final = 15.0
WORKER_HTTP_SECONDS: Final = 12.0
STRIPE_TRY_SECONDS: Final = 8.0
"""The longest that a request of ours can be on its way to Stripe; what is later never comes."""
SEND_WITHIN_SECONDS: Final = LEASE_SECONDS - WORKER_HTTP_SECONDS
"""`payments_worker/service.py`: an attempt that is held up longer is not sent."""

WEBHOOK_WINDOW_SECONDS: Final = 20.0
EARLY_WEBHOOK_WINDOW_SECONDS: Final = 60.0
EVENT_WINDOW_SECONDS: Final = 15.0

SESSION_TIMEOUT_SECONDS: Final = 6.0
"""After this long without a word a consumer group takes a member for dead."""

KEY_LIFE_SECONDS: Final = 24 * 3600.0
"""Stripe prunes a key after this long, on its own clock."""
SEARCH_LAG_SECONDS: Final = 60.0
"""How late Stripe's search shows what was written."""

PUBLISH_BATCH: Final = 100
POLL_BATCH: Final = 50
CLAIM_BATCH: Final = 64
RECONCILE_BATCH: Final = 20
REFUNDS_AT_A_TIME: Final = 8
REPUBLISHED_MAX: Final = 6
"""`adapters/store/missed.py`."""
