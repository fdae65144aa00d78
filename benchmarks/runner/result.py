"""What a run of contenders came to, as a value: rounds, medians, spread, and what changed since.

One shape for every suite. Pure: nothing is measured, printed or read here.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

API_VERSION: Final = "bookpay/v1"
KIND: Final = "BenchReport"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure that rounds have.

    Attributes:
        name: of the column, and of the key in a document.
        more_is_better: whether a greater figure is the better one.
    """

    name: str
    title: str
    unit: str
    more_is_better: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one contender.

    Attributes:
        load: the machine's load average of one minute when the round began.
        values: by the metric's name; one that a contender does not have is left out.
    """

    contender: str
    number: int
    load: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    def overlaps(self, other: Spread) -> bool:
        """Whether a figure may be of either."""
        return self.least <= other.greatest and other.least <= self.greatest


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that differs from an earlier run's by more than both spreads."""

    contender: str
    metric: Metric
    before: Spread
    now: Spread

    @property
    def is_better(self) -> bool:
        return (self.now.median > self.before.median) is self.metric.more_is_better

    @property
    def ratio(self) -> float:
        return self.now.median / self.before.median if self.before.median else float("inf")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """A whole run.

    Attributes:
        settings: what was asked for, such as rows and rounds.
        machine: what it ran on.
        titles: contender -> what it is, in their order.
    """

    suite: str
    settings: Mapping[str, float]
    machine: Mapping[str, str]
    metrics: tuple[Metric, ...]
    titles: Mapping[str, str]
    rounds: tuple[Round, ...]

    def spread(self, contender: str, metric: str) -> Spread | None:
        """Over all rounds; None where the contender has no such figure."""
        found = [
            one.values[metric]
            for one in self.rounds
            if one.contender == contender and metric in one.values
        ]
        if not found:
            return None
        return Spread(statistics.median(found), min(found), max(found))

    def loads(self, contender: str) -> Spread:
        """What the machine had to do when the contender's rounds began."""
        found = [one.load for one in self.rounds if one.contender == contender]
        return Spread(statistics.median(found), min(found), max(found))

    @property
    def was_busy(self) -> bool:
        """Whether the machine had more to do than it has processors when the first round began."""
        return bool(self.rounds) and self.rounds[0].load > float(self.machine["processors"])


def changes(before: BenchResult, now: BenchResult) -> Iterator[Change]:
    """What both have and what lies apart, contender after contender."""
    for contender in now.titles:
        for metric in now.metrics:
            then, today = (
                before.spread(contender, metric.name),
                now.spread(contender, metric.name),
            )
            if then is not None and today is not None and not then.overlaps(today):
                yield Change(contender, metric, then, today)


def document_of(result: BenchResult, worse: int | None = None) -> dict[str, Any]:
    """The run as a document, with the medians for whoever reads no code.

    Args:
        worse: figures that are worse than an earlier run's; None where none was compared.
    """
    reason = "measured" if worse is None else "worse" if worse else "no_worse"
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "exit": {"code": int(bool(worse)), "reason": reason},
        "suite": result.suite,
        "busy": result.was_busy,
        "settings": dict(result.settings),
        "machine": dict(result.machine),
        "metrics": [asdict(metric) for metric in result.metrics],
        "contenders": [
            {
                "name": name,
                "title": title,
                "load": asdict(result.loads(name)),
                "medians": {
                    metric.name: asdict(found)
                    for metric in result.metrics
                    if (found := result.spread(name, metric.name)) is not None
                },
                "rounds": [
                    {"number": one.number, "load": one.load, "values": dict(one.values)}
                    for one in result.rounds
                    if one.contender == name
                ],
            }
            for name, title in result.titles.items()
        ],
    }


def result_of(document: Mapping[str, Any]) -> BenchResult:
    """A run that was kept.

    Raises:
        ValueError: the document is none of ours.
    """
    if document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        raise ValueError(f"not a {KIND} of {API_VERSION}")
    contenders: Sequence[Mapping[str, Any]] = document["contenders"]
    return BenchResult(
        suite=document["suite"],
        settings=document["settings"],
        machine=document["machine"],
        metrics=tuple(Metric(**entry) for entry in document["metrics"]),
        titles={entry["name"]: entry["title"] for entry in contenders},
        rounds=tuple(
            Round(entry["name"], one["number"], one["load"], one["values"])
            for entry in contenders
            for one in entry["rounds"]
        ),
    )
