"""docs/metrics.md names what a process really serves."""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

import runtime.metrics
from docs.generate import metrics


def test_the_page_names_every_metric_that_a_process_registers_and_no_other() -> None:
    ours = {
        family.name
        for value in vars(runtime.metrics).values()
        if isinstance(value, Counter | Gauge | Histogram)
        for family in value.describe()
    }

    written = {metric.name.removesuffix("_total") for metric in metrics.read()}

    assert len(written) > 10, "too few metrics were found for this to mean anything"
    assert written == ours
    assert ours <= {family.name for family in REGISTRY.collect()}
