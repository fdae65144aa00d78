"""Every dashboard is one of Grafana's own schema, as the types of Grafana's SDK have it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from docs.generate.dashboards import DASHBOARDS
from docs.generate.grafana import text
from tests.support.grafana_types import differences, knows_panel, misplaced, read, written

# What Grafana fills in where nothing was said. Whatever else it adds, it took for something else.
FILLED_IN: Final = {
    ".fiscalYearStartMonth": 0,
    ".links[].icon": "",
    ".links[].targetBlank": False,
    ".links[].tooltip": "",
    ".panels[].fieldConfig.defaults.custom": {},
    ".panels[].options.percentChangeColorMode": "standard",
    ".panels[].options.showPercentChange": False,
    ".panels[].options.wideLayout": True,
    ".panels[].repeatDirection": "h",
    ".panels[].transparent": False,
    ".templating.list[].allowCustomValue": True,
    ".templating.list[].auto": False,
    ".templating.list[].auto_count": 30,
    ".templating.list[].auto_min": "10s",
    ".templating.list[].includeAll": False,
    ".templating.list[].multi": False,
    ".templating.list[].skipUrlSync": False,
}

each = pytest.mark.parametrize("name", DASHBOARDS)


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(DASHBOARDS[name]))
    return found


@each
def test_no_field_of_ours_is_one_that_grafana_does_not_know(name: str) -> None:
    ours = document(name)

    found = set(differences(ours, written(read(ours))))

    assert {place for place, what in found if what != "added"} == set()
    assert {place for place, what in found if what == "added"} <= FILLED_IN.keys()


@each
def test_every_value_stands_where_grafana_takes_one_of_its_kind(name: str) -> None:
    assert list(misplaced(read(document(name)))) == []


@each
def test_every_panel_is_of_a_type_that_grafana_has(name: str) -> None:
    kinds = {panel["type"] for panel in document(name)["panels"]} - {"row"}

    assert kinds
    assert {kind for kind in kinds if not knows_panel(kind)} == set()


@each
def test_what_grafana_writes_it_reads_as_the_same(name: str) -> None:
    once = written(read(document(name)))

    assert list(differences(once, written(read(once)))) == []


def spoilt(change: str, value: Any) -> dict[str, Any]:
    """A dashboard with one field that is not as Grafana has it."""
    whole = document("outbox")
    *way, last = change.split(".")
    place: Any = whole
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    place[last] = value
    return whole


@pytest.mark.parametrize(
    "change",
    [
        "autoRefresh",
        "panels.1.fieldsConfig",
        "panels.1.fieldConfig.defaults.units",
        "panels.1.options.legends",
        "panels.1.targets.0.expression",
        "templating.list.1.sorting",
    ],
)
def test_a_field_that_grafana_does_not_know_is_seen(change: str) -> None:
    wrong = spoilt(change, "x")

    found = dict(differences(wrong, written(read(wrong))))

    assert "lost" in found.values()


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("graphTooltip", 7),
        ("timezone", 1),
        ("editable", "no"),
        ("schemaVersion", "39"),
        ("panels.1.gridPos.w", "12"),
        ("panels.1.fieldConfig.defaults.thresholds.mode", "absolutely"),
        ("panels.1.options.legend.displayMode", "listed"),
        ("panels.1.links.0.newTab", True),
        ("panels.1.targets.0.expr", 1),
        ("templating.list.1.refresh", 9),
    ],
)
def test_a_value_that_grafana_does_not_take_is_seen(change: str, value: Any) -> None:
    wrong = spoilt(change, value)

    assert len(list(misplaced(read(wrong)))) == 1
