"""Dashboards of Grafana from panels as values: laid out, numbered, and written as its JSON.

The model is Grafana's classic one (schema version 39), which every release since 10 reads. A panel
has one unit, and a description that ends where to go on: its runbook.

Source:
    Grafana documentation, "Dashboard JSON model"; the sidecar of its Helm chart takes ConfigMaps
    with the label `grafana_dashboard`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
HEIGHT: Final = 8

RUNBOOKS: Final = "https://github.com/example/bookpay/blob/main/runbooks"

# Chosen by the reader, because a cluster has more than one of both.
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
OURS: Final = 'namespace="$namespace"'
"""The matcher of every query: one environment of several that a Prometheus may scrape."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and how its series are called (`{{label}}`)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure.

    Attributes:
        unit: Grafana's id of it: s, reqps, percentunit, short, bytes.
        says: what is seen, and when that is bad; one or two sentences.
        runbook: slug of the page that says what to do.
        width: of 24 columns.
        red_from: where a value is bad; None where no value is by itself.
        stat: one number instead of lines.
    """

    title: str
    unit: str
    says: str
    runbook: str
    queries: tuple[Query, ...]
    width: int = 12
    red_from: float | None = None
    stat: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of rows; `uid` is in its address and stays."""

    uid: str
    title: str
    says: str
    rows: Mapping[str, tuple[Panel, ...]]


def text(dashboard: Dashboard) -> str:
    """The dashboard as the file that Grafana takes."""
    document = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["bookpay"],
        "schemaVersion": SCHEMA_VERSION,
        # Grafana counts versions itself; a file that did would differ after each look.
        "version": 1,
        "editable": False,
        # One crosshair over all panels: what happened at this moment elsewhere.
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [*_variables()]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "bookpay",
                "tags": ["bookpay"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": [*_panels(dashboard)],
    }
    return json.dumps(document, indent=2) + "\n"


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
    }
    yield {
        "type": "query",
        "name": "namespace",
        "label": "namespace",
        "datasource": _SOURCE,
        "query": {
            "query": "label_values(bookpay_build_info, namespace)",
            "refId": "namespace",
        },
        "refresh": 2,
    }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for name, panels in dashboard.rows.items():
        yield {
            "id": number,
            "type": "row",
            "title": name,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        number, y, x = number + 1, y + 1, 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + HEIGHT
            yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": HEIGHT})
            number, x = number + 1, x + panel.width
        y += HEIGHT


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    page = f"{RUNBOOKS}/{panel.runbook}.md"
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": f"{panel.says} [{panel.runbook}]({page})",
        "datasource": _SOURCE,
        "gridPos": place,
        "links": [{"title": panel.runbook, "type": "link", "url": page, "targetBlank": True}],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "color": {"mode": "thresholds" if panel.stat else "palette-classic"},
                "thresholds": {"mode": "absolute", "steps": _steps(panel)},
            },
            "overrides": [],
        },
        "options": _stat_options() if panel.stat else _lines_options(),
        "targets": [
            {
                "refId": chr(ord("A") + place_in_list),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
            }
            for place_in_list, query in enumerate(panel.queries)
        ],
    }


def _steps(panel: Panel) -> list[dict[str, Any]]:
    bad = [] if panel.red_from is None else [{"color": "red", "value": panel.red_from}]
    return [{"color": "green", "value": None}, *bad]


def _lines_options() -> dict[str, Any]:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _stat_options() -> dict[str, Any]:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
    }
