"""Which part is made by what, and which pages are not as they should be.

Knows every generated part by name. A marker that names none, or that is not closed, is an error: it
would leave a part behind that nothing renews.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from docs.generate import (
    configuration,
    controls,
    decision_index,
    failpoints,
    glossary,
    grafana,
    judge,
    mapping,
    metrics,
    report_schema,
    rooms,
    states,
)
from docs.generate.dashboards import DASHBOARDS

ROOT: Final = Path(__file__).resolve().parents[2]

PARTS: Final[dict[str, Callable[[], str]]] = {
    "settings of the runtime": configuration.runtime,
    "settings of bookpayctl": configuration.bookpayctl,
    "variables of bookpayctl": configuration.variables,
    "failpoints": failpoints.table_of_points,
    "failpoint actions": failpoints.table_of_actions,
    "invariants": judge.invariants,
    "ledgers": judge.ledgers,
    "checks": judge.checks,
    "drills": judge.drills,
    "webhook cases": judge.webhook_cases,
    "verdicts": judge.verdicts,
    "exit codes": judge.exit_codes,
    "controls": controls.controls,
    "uncertified": controls.uncertified,
    "mapping keys": mapping.keys,
    "mapping columns": mapping.columns,
    "metrics": metrics.metrics,
    "payment states": states.payment,
    "refund states": states.refund,
    "order states": states.order,
    "terms": glossary.terms,
    "words to avoid": glossary.avoided,
    "decisions": decision_index.index,
    "rooms of bookpayctl": rooms.bookpayctl,
    "rooms of the runtime": rooms.runtime,
    "rooms of the twin": rooms.twin,
}

# Files that are generated from the first line to the last.
WHOLE: Final[dict[str, Callable[[], str]]] = {
    "docs/report.schema.json": report_schema.text,
    **{
        f"manifests/components/monitoring/dashboards/{name}.json": partial(grafana.text, dashboard)
        for name, dashboard in DASHBOARDS.items()
    },
}

_PART: Final = re.compile(
    r"<!-- generated: (?P<name>[^>]+?) -->\n.*?<!-- end of (?P=name) -->", re.DOTALL
)
_MARKER: Final = re.compile(r"<!-- (?:generated:|end of) ([^>]+?) -->")


def pages() -> list[Path]:
    """Every page that may hold generated parts."""
    return sorted(
        [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "decisions").glob("*.md")]
    )


def outdated() -> dict[Path, str]:
    """Each file that is not as it should be, with the text it should have."""
    fresh = {page: renewed(page.read_text(encoding="utf-8")) for page in pages()}
    fresh |= {ROOT / name: make() for name, make in WHOLE.items()}
    return {
        path: text
        for path, text in fresh.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def renewed(page: str) -> str:
    """The page with every generated part made anew.

    Raises:
        ValueError: a marker names no part, or is not closed by its own end.
    """
    known = [name for name in _MARKER.findall(page) if name in PARTS]
    if known != _MARKER.findall(page) or len(known) != 2 * len(_PART.findall(page)):
        raise ValueError(f"markers that do not fit: {', '.join(_MARKER.findall(page))}")
    return _PART.sub(lambda found: _part(found["name"]), page)


def parts_of(page: str) -> list[str]:
    """Names of the generated parts of a page."""
    return [found["name"] for found in _PART.finditer(page)]


def _part(name: str) -> str:
    return f"<!-- generated: {name} -->\n{PARTS[name]()}\n<!-- end of {name} -->"
