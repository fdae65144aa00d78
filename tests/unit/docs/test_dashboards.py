"""Dashboards ask for what is measured, say in which unit, and lead to the page that helps."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from docs.generate import metrics
from docs.generate.dashboards import DASHBOARDS
from docs.generate.grafana import COLUMNS, RUNBOOKS, text
from tests.support.alerts import promtool
from tests.support.manifests.rendering import ROOT, render
from tests.support.promql import labels_of, metrics_of

PROMTOOL = promtool()

# What the client library measures of every process.
PROCESS: Final = re.compile(r"process_[a-z_]+")

# What the scrape adds (PodMonitor), and what a histogram has.
ADDED: Final = {"app", "pod", "namespace", "le"}

UNITS: Final = {"reqps", "percentunit", "s", "short", "bytes"}

SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
MEASURED: Final = {
    metric.name + suffix: metric for metric in metrics.read() for suffix in SUFFIXES[metric.kind]
}


def panels(name: str) -> list[dict[str, Any]]:
    """Every figure of a dashboard, as the file has it."""
    found: list[dict[str, Any]] = json.loads(text(DASHBOARDS[name]))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


PANELS: Final = [(name, panel) for name in DASHBOARDS for panel in panels(name)]
EACH_PANEL: Final = pytest.mark.parametrize(
    ("name", "panel"), PANELS, ids=[f"{name}: {panel['title']}" for name, panel in PANELS]
)
EXPRESSIONS: Final = [target["expr"] for _, panel in PANELS for target in panel["targets"]]


@EACH_PANEL
def test_it_asks_for_what_is_measured_by_labels_that_there_are(
    name: str, panel: dict[str, Any]
) -> None:
    for target in panel["targets"]:
        asked = metrics_of(target["expr"])

        ours = {metric for metric in asked if not PROCESS.fullmatch(metric)}
        assert asked
        assert ours <= MEASURED.keys()
        known = {label for metric in ours for label in MEASURED[metric].labels}
        assert labels_of(target["expr"]) - ADDED <= known
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known | ADDED


@EACH_PANEL
def test_a_counter_is_asked_how_fast_it_grows(name: str, panel: dict[str, Any]) -> None:
    """Its value is that of the time since a start, which says nothing."""
    for expression in (target["expr"] for target in panel["targets"]):
        for metric in metrics_of(expression):
            if metric.endswith(("_total", "_bucket")):
                grows = len(re.findall(rf"\b(?:rate|increase)\({metric}\b", expression))
                assert grows == len(re.findall(rf"\b{metric}\b", expression)) > 0


@EACH_PANEL
def test_what_each_reconciler_counts_alike_is_not_summed(name: str, panel: dict[str, Any]) -> None:
    for expression in (target["expr"] for target in panel["targets"]):
        if re.search(r"payments_open|bookpay_waiting", expression):
            assert re.match(r"max by \(\w+\) \(", expression)


@EACH_PANEL
def test_it_has_a_unit_and_leads_to_a_runbook(name: str, panel: dict[str, Any]) -> None:
    (link,) = panel["links"]
    slug = link["url"].removeprefix(f"{RUNBOOKS}/")

    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert (ROOT / "runbooks" / slug).is_file()
    assert re.fullmatch(
        rf"[A-Z0-9].{{15,}}[.)] \[{link['title']}\]\({link['url']}\)", panel["description"]
    )


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_panel_lies_on_another_and_each_has_a_number_of_its_own(name: str) -> None:
    document = json.loads(text(DASHBOARDS[name]))

    taken = [
        (x, y)
        for panel in document["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < COLUMNS
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))


def test_everything_that_is_measured_is_looked_at_somewhere() -> None:
    asked = {name for expression in EXPRESSIONS for name in metrics_of(expression)}
    looked_at = {MEASURED[name].name for name in asked & MEASURED.keys()}

    assert looked_at == {metric.name for metric in metrics.read()}


def test_every_dashboard_has_an_address_of_its_own() -> None:
    assert len({dashboard.uid for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS) == 5


@pytest.mark.parametrize(
    ("expression", "metrics_named", "labels_named"),
    [
        (
            'sum by (a, b) (rate(x_total{c="d{e}",f=~"g"}[5m])) / on (h) y',
            {"x_total", "y"},
            {*"abcfh"},
        ),
        (
            "histogram_quantile(0.9, sum by (le) (rate(z_bucket[1h]))) or vector(0)",
            {"z_bucket"},
            {"le"},
        ),
    ],
)
def test_an_expressions_names_are_seen(
    expression: str, metrics_named: set[str], labels_named: set[str]
) -> None:
    assert (metrics_of(expression), labels_of(expression)) == (metrics_named, labels_named)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")
@pytest.mark.parametrize(("spoilt", "status"), [("", 0), (" +", 1)])
def test_prometheus_can_read_every_expression(spoilt: str, status: int, tmp_path: Path) -> None:
    assert PROMTOOL is not None
    # What Grafana fills in.
    filled = [
        expression.replace("$namespace", "shop")
        .replace("$__rate_interval", "1m")
        .replace("$__range", "1h")
        for expression in EXPRESSIONS
    ]
    rules = [
        {"record": f"panel:{number}", "expr": expression + spoilt}
        for number, expression in enumerate(filled)
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    done = subprocess.run(
        [*PROMTOOL, "check", "rules", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert bool(done.returncode) == bool(status), done.stdout + done.stderr


def test_grafanas_sidecar_finds_every_dashboard_whole() -> None:
    rendered = render("prod")

    found = {
        name: document["data"][f"{name}.json"]
        for document in rendered.of_kind("ConfigMap")
        for name in [document["metadata"]["name"].removeprefix("dashboard-")]
        if document["metadata"]["labels"].get("grafana_dashboard") == "1"
    }

    assert found == {name: text(dashboard) for name, dashboard in DASHBOARDS.items()}
