"""What several storms come to together: faults by kind, how long they were felt, what was seen.

Each storm is judged by itself. What a single one is too short for, a percentile of its faults or
whether each rare thing has ever happened, is asked of all of them, out of their journals. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bookpayctl.drills.observing.sightings import SEEN_EVENT, SOMETIMES
from bookpayctl.drills.observing.storm_recovery import RECOVERED_EVENT, items_of_lines
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.storm.kinds import KNOWN_POINTS

Line = Mapping[str, Any]

PROVEN_EVENT: Final = "proven"
STRUCK_EVENT: Final = "struck"
PREFIX: Final = "storm/together"


def together_items(journals: Sequence[Iterable[Line]]) -> list[Item]:
    """The answers of several storms; none of fewer than two, which say it themselves.

    Args:
        journals: the lines of each storm that was run.
    """
    if len(journals) < 2:
        return []
    lines = [dict(line) for journal in journals for line in journal]
    recovered = [line for line in lines if line.get("event") == RECOVERED_EVENT]
    seen = [line for line in lines if line.get("event") == SEEN_EVENT]
    return [
        _faults_item(lines, orders=sum(int(line["orders"]) for line in seen)),
        *items_of_lines(f"{PREFIX}-recovered", recovered),
        _seen_item(
            "seen",
            "what has to happen sometimes has happened",
            SOMETIMES,
            _sum(line["counts"] for line in seen),
            storms=len(seen),
        ),
        _seen_item(
            "failpoints",
            "each failpoint was reached",
            dict.fromkeys(sorted(KNOWN_POINTS), ""),
            _sum(line["failpoints"] for line in seen),
            storms=len(seen),
        ),
    ]


def _faults_item(lines: Sequence[Line], *, orders: int) -> Item:
    struck = Counter(line["kind"] for line in lines if line.get("event") == STRUCK_EVENT)
    proven = Counter(line["kind"] for line in lines if line.get("event") == PROVEN_EVENT)
    whole, landed = struck.total(), proven.total()
    return Item(
        id=f"{PREFIX}-faults",
        title="all faults of these storms",
        # What was not proven is unknown in its own storm, by name.
        verdict=Verdict.HOLDS if landed else Verdict.VACUOUS,
        required="at least 1 proven fault",
        observed=f"{landed} of {whole} proven, of {len(struck)} kinds, under {orders} orders",
        examined=landed,
        evidence=tuple(f"{kind}: {proven[kind]} of {n}" for kind, n in sorted(struck.items())),
    )


def _seen_item(
    name: str, title: str, wanted: Mapping[str, str], counts: Mapping[str, int], *, storms: int
) -> Item:
    """One answer about all of them; what was never seen is a warning, and named first."""
    never = [thing for thing in wanted if not counts.get(thing)]
    found = [thing for thing in wanted if counts.get(thing)]
    told = [f"{thing}: never{f' ({wanted[thing]})' if wanted[thing] else ''}" for thing in never]
    return Item(
        id=f"{PREFIX}-{name}",
        title=title,
        verdict=Verdict.WARNING if never else Verdict.HOLDS,
        required="each at least once, in enough storms",
        observed=f"{len(found)} of {len(wanted)} in {storms} storms",
        examined=len(found),
        evidence=(*told, *(f"{thing}: {counts[thing]}" for thing in found)),
        fix="bookpayctl drill storm --repeat N, with other seeds" if never else "",
    )


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update({name: int(number) for name, number in one.items()})
    return total
