"""The metrics as a page: conventional names, nothing beside the page, every one of them used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from runtime import metrics
from runtime.adapters.kafka_progress import lag_by_topic

RUNTIME = Path(metrics.__file__).parent
METRICS = {
    constant: metric
    for constant, metric in vars(metrics).items()
    if isinstance(metric, MetricWrapperBase)
}

# What autoscaling asks for by the name that the design gives it, and its age beside it.
BARE = {"payments_open", "payments_open_oldest_seconds"}
# Units that are no base units, and words that Prometheus adds or keeps for itself.
NOT_A_UNIT = re.compile(r"_(ms|milliseconds|minutes|hours|kb|mb|percent|count|sum|bucket|created)$")


def family(metric: MetricWrapperBase) -> str:
    """The name as it stands in front of `_total`."""
    return next(iter(metric.describe())).name


def test_the_page_holds_metrics() -> None:
    assert len(METRICS) >= 12


@pytest.mark.parametrize("constant", METRICS)
def test_each_name_follows_the_conventions(constant: str) -> None:
    metric = METRICS[constant]
    name = metric._name + ("_total" if isinstance(metric, Counter) else "")

    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
    assert name.startswith("bookpay_") or name in BARE
    assert not NOT_A_UNIT.search(name)
    assert isinstance(metric, Counter) == name.endswith("_total")
    assert not isinstance(metric, Histogram) or name.endswith("_seconds")


@pytest.mark.parametrize("constant", METRICS)
def test_each_metric_says_what_it_counts_and_by_which_labels(constant: str) -> None:
    metric = METRICS[constant]

    assert re.fullmatch(r"[A-Z0-9].{10,}[^.]", metric._documentation)
    assert all(re.fullmatch(r"[a-z_]+", label) for label in metric._labelnames)
    # An id as a label makes a time series of every order.
    assert not {"id", "order_id", "event_id", "tenant_id", "process"} & {*metric._labelnames}


def test_an_age_or_a_duration_says_that_it_is_in_seconds() -> None:
    about_time = {
        constant
        for constant, metric in METRICS.items()
        if re.match(r"(Age|Time) ", metric._documentation)
    }

    assert about_time == {
        constant for constant in METRICS if family(METRICS[constant]).endswith("_seconds")
    }


def test_no_other_module_makes_a_metric() -> None:
    makers = {cls.__name__ for cls in (Counter, Gauge, Histogram)} | {"Summary", "Info", "Enum"}

    making = [
        f"{path.relative_to(RUNTIME)}:{node.lineno}"
        for path in RUNTIME.rglob("*.py")
        if path != RUNTIME / "metrics.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("prometheus_client")
        and makers & {alias.name for alias in node.names}
    ]

    assert making == []


def test_every_metric_is_set_somewhere() -> None:
    text = "".join(
        path.read_text() for path in RUNTIME.rglob("*.py") if path != RUNTIME / "metrics.py"
    )

    assert [name for name in METRICS if f"metrics.{name}" not in text] == []


def test_nothing_of_ours_is_registered_beside_the_page() -> None:
    ours = {family(metric) for metric in METRICS.values()}

    registered = {found.name for found in REGISTRY.collect()}

    # The client library's own are about the process and the interpreter.
    foreign = {name for name in registered if name.startswith(("process_", "python_"))}
    assert registered - foreign == ours


def test_a_lag_is_of_what_is_known_and_never_negative() -> None:
    ends = {("orders", 0): 12, ("orders", 1): 7, ("orders", 2): -1001, ("payments", 0): 5}
    positions = {
        ("orders", 0): 10,
        ("orders", 1): 7,
        ("orders", 2): 3,
        ("payments", 0): None,
    }

    assert lag_by_topic(positions, ends.__getitem__) == {"orders": 2, "payments": 0}
