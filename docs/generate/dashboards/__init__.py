"""The dashboards of components/monitoring: what is looked at, per promise and per part.

Only metrics of docs/metrics.md, and those of every Python process; a test reads each expression.
"""

from __future__ import annotations

from typing import Final

from docs.generate.dashboards.outbox import OUTBOX
from docs.generate.dashboards.overview import OVERVIEW
from docs.generate.dashboards.payments import PAYMENTS
from docs.generate.dashboards.resources import RESOURCES
from docs.generate.dashboards.shadow import SHADOW

DASHBOARDS: Final = {
    "overview": OVERVIEW,
    "outbox": OUTBOX,
    "payments": PAYMENTS,
    "resources": RESOURCES,
    "shadow": SHADOW,
}
"""By the name of the file."""
