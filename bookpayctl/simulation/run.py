"""Many seeds, in one process or several, and what they come to as a report.

Every seed is checked; one in a hundred, and every one that is red, is judged by the judge's SQL as
well, and the two must agree. A run in which a rare thing never happened is vacuous in that.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from bookpayctl.judge.rules import rules
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.simulation.checker import INVARIANTS
from bookpayctl.simulation.decisions import RIGHT, Decisions
from bookpayctl.simulation.judged import disagreements
from bookpayctl.simulation.source import source_digest
from bookpayctl.simulation.trying import code_of
from bookpayctl.simulation.verdict import ORDERS, OWN, SOMETIMES, SeedVerdict, try_seed

JUDGED_EVERY: Final = 100
CHUNK: Final = 10
RED_SEEDS_MAX: Final = 5
"""Failing seeds that are named; the count is of all."""
AGREEMENT: Final = "S00"


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """Which seeds to play, and how."""

    first_seed: int
    seeds: int
    orders: int = ORDERS
    workers: int = 1
    decisions: Decisions = RIGHT


@dataclass(frozen=True, slots=True)
class JudgedSeed:
    """A seed's verdict; `disagreements` is None for one that was not judged by SQL."""

    verdict: SeedVerdict
    disagreements: tuple[str, ...] | None


@dataclass(slots=True)
class Tally:
    """What all seeds so far came to."""

    seeds: int = 0
    red: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    disagreements: list[str] = field(default_factory=list)

    def add(self, seed: JudgedSeed) -> None:
        self.seeds += 1
        self.counts.update(seed.verdict.counts)
        for invariant, findings in seed.verdict.findings.items():
            subject, detail = findings[0]
            what = f"{subject}: {detail}" if subject else detail
            self.red.setdefault(invariant, []).append((seed.verdict.seed, what))
        if seed.disagreements is not None:
            self.judged += 1
            number = seed.verdict.seed
            self.disagreements += [f"seed {number}: {text}" for text in seed.disagreements]


def simulate(request: SimulationRequest, observe: Callable[[Tally], None]) -> Report:
    """Play all seeds; a signal ends the playing, and what was played is reported.

    Args:
        observe: told after every few seeds.
    """
    began_at, began, tally = datetime.now(UTC), time.monotonic(), Tally()
    incidents: list[ExitCode] = []
    try:
        with interruptible(), closing(play_all(request)) as played:
            for seed in played:
                tally.add(seed)
                observe(tally)
    except Stopped as stopped:
        incidents.append(code_of(stopped))
    seconds = time.monotonic() - began
    return Report(
        kind="SimulationReport",
        context={
            "seeds": f"{request.first_seed} to {request.first_seed + request.seeds - 1}",
            "orders": str(request.orders),
            "source": source_digest(),
            "pace": f"{tally.seeds / seconds:.1f} seeds a second" if seconds else "",
        },
        items=tuple(_items(request, tally)),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=seconds,
        each_must_answer=True,
        incidents=tuple(incidents),
    )


def play_all(request: SimulationRequest) -> Generator[JudgedSeed]:
    """Every seed's verdict in the order of the seeds, whatever the number of processes."""
    numbers = range(request.first_seed, request.first_seed + request.seeds)
    one = partial(judge_seed, orders=request.orders, decisions=request.decisions)
    if request.workers == 1:
        yield from map(one, numbers)
        return
    with ProcessPoolExecutor(request.workers) as pool:
        try:
            yield from pool.map(one, numbers, chunksize=CHUNK)
        finally:
            pool.shutdown(cancel_futures=True)


def judge_seed(seed: int, *, orders: int, decisions: Decisions = RIGHT) -> JudgedSeed:
    """Play one seed, and have the SQL judge it if it is of the sample, or red."""
    verdict, ended, ledgers = try_seed(seed, orders, decisions)
    if seed % JUDGED_EVERY and (not verdict.findings or ended.broken):
        return JudgedSeed(verdict, None)
    return JudgedSeed(verdict, tuple(disagreements(ledgers, verdict.findings)))


# --- the report -----------------------------------------------------------------------------


def _items(request: SimulationRequest, tally: Tally) -> Iterator[Item]:
    words = {rule.id: (rule.title, rule.required) for rule in rules()}
    for invariant, (title, required) in {**words, **OWN}.items():
        if invariant in INVARIANTS or invariant in OWN:
            yield _of_seeds(request, tally, invariant, title, required)
    yield _agreement(tally)
    for what in SOMETIMES:
        yield _sometimes(tally, what)


def _of_seeds(
    request: SimulationRequest, tally: Tally, invariant: str, title: str, required: str
) -> Item:
    red = tally.red.get(invariant, [])
    verdict = Verdict.VIOLATED if red else Verdict.HOLDS if tally.seeds else Verdict.VACUOUS
    return Item(
        id=invariant,
        title=title,
        verdict=verdict,
        required=required,
        observed=f"{len(red)} of {tally.seeds} seeds violate it",
        examined=tally.seeds,
        evidence=tuple(f"seed {seed}: {what}" for seed, what in red[:RED_SEEDS_MAX]),
        fix=_repro(request, red[0][0]) if red else "",
    )


def _repro(request: SimulationRequest, seed: int) -> str:
    return f"bookpayctl simulate --seeds 1 --seed {seed} --orders {request.orders} --trace"


def _agreement(tally: Tally) -> Item:
    wrong = tally.disagreements
    return Item(
        id=AGREEMENT,
        title="checker and judge agree",
        verdict=Verdict.VIOLATED if wrong else Verdict.HOLDS if tally.judged else Verdict.VACUOUS,
        required="the judge's SQL says of a seed what the checker says",
        observed=f"{tally.judged} seeds judged by both, {len(wrong)} differences",
        examined=tally.judged,
        evidence=tuple(wrong[:RED_SEEDS_MAX]),
    )


def _sometimes(tally: Tally, what: str) -> Item:
    count = tally.counts[what]
    return Item(
        id=f"seen/{slug_of(what)}",
        title=f"it has seen {what}" if count else f"it has never seen {what}",
        verdict=Verdict.HOLDS if count else Verdict.VACUOUS,
        required="at least once in the whole run",
        observed=f"{count} times",
        examined=count,
        fix="" if count else "bookpayctl simulate --seeds 1000",
    )


def slug_of(words: str) -> str:
    """Words as an id has them."""
    return words.lower().replace(" ", "-")
