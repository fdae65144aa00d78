"""How many seeds it takes to find each sabotage, as a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.simulation.mutants import MUTANTS, Mutant
from bookpayctl.simulation.source import source_digest
from bookpayctl.simulation.verdict import ORDERS, try_seed

RUNS: Final = 3
SEEDS_MAX: Final = 2000
APART: Final = 100_000
"""How far apart the runs begin, so that no two share a seed."""


def try_mutants(
    first_seed: int,
    *,
    orders: int = ORDERS,
    most: int = SEEDS_MAX,
    observe: Callable[[Item], None],
) -> Report:
    """Play each sabotage until it is found, from several first seeds."""
    began_at, began = datetime.now(UTC), time.monotonic()
    items: list[Item] = []
    incidents: list[ExitCode] = []
    try:
        with interruptible(), closing(_tried(first_seed, orders, most)) as tried:
            for item in tried:
                items.append(item)
                observe(item)
    except Stopped as stopped:
        incidents.append(code_of(stopped))
    return Report(
        kind="SimulationReport",
        context={"seeds": f"from {first_seed}", "orders": str(orders), "source": source_digest()},
        items=tuple(items),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=True,
        incidents=tuple(incidents),
    )


def code_of(stopped: Stopped) -> ExitCode:
    """The exit code of the signal that ended the playing."""
    return ExitCode.INTERRUPTED if str(stopped) == "SIGINT" else ExitCode.TERMINATED


def seeds_until_found(mutant: Mutant, first_seed: int, *, orders: int, most: int) -> int | None:
    """The number of seeds played when the first is red; None when none is."""
    for count in range(1, most + 1):
        verdict, _, _ = try_seed(first_seed + count - 1, orders, mutant.decisions)
        if verdict.findings:
            return count
    return None


def _tried(first_seed: int, orders: int, most: int) -> Generator[Item]:
    for mutant in MUTANTS:
        until = partial(seeds_until_found, mutant, orders=orders, most=most)
        yield mutant_item(mutant, [until(first_seed + run * APART) for run in range(RUNS)], most)


def mutant_item(mutant: Mutant, needed: list[int | None], most: int) -> Item:
    """One sabotage's answer: the median over the runs, and each of them."""
    counts = sorted(most + 1 if count is None else count for count in needed)
    told = ", ".join("never" if count > most else str(count) for count in counts)
    median = counts[len(counts) // 2]
    return Item(
        id=f"mutant/{mutant.name}",
        title=mutant.sabotage,
        verdict=Verdict.VIOLATED if None in needed else Verdict.HOLDS,
        required=f"found within {most} seeds, from each start",
        observed=f"median {median if median <= most else 'none'} seeds ({told})",
        examined=len(needed),
    )
