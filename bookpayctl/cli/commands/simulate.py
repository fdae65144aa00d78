"""`simulate`: the payment protocol among models of everything that fails, seed by seed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bookpayctl.cli.output import fail, hint
from bookpayctl.cli.reports import (
    FormatOption,
    ReportFormat,
    ReportOption,
    VerboseOption,
    finish,
    report_files,
)
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.report.verdict import Item
    from bookpayctl.simulation.run import Tally

PROGRESS_SECONDS: Final = 5.0
TRACED_MAX: Final = 3

SeedsOption = Annotated[int, typer.Option(min=1, help="How many seeds are played.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The first of them.")]
OrdersOption = Annotated[int, typer.Option(min=1, max=10_000, help="Orders in each seed.")]
WorkersOption = Annotated[int, typer.Option(min=1, max=256, help="Processes that play.")]
TraceOption = Annotated[
    bool, typer.Option("--trace", help="Tell on stderr what happened to the offending orders.")
]
MutantsOption = Annotated[
    bool,
    typer.Option("--mutants", help="Play sabotages instead: after how many seeds each is found."),
]


def simulate(
    seeds: SeedsOption = 100,
    seed: SeedOption = 0,
    orders: OrdersOption = 200,
    workers: WorkersOption = 1,
    trace: TraceOption = False,
    mutants: MutantsOption = False,
    verbose: VerboseOption = False,
    output: FormatOption = ReportFormat.TABLE,
    report: ReportOption = None,
) -> None:
    """Play the payment protocol among models of all that fails; the same seed plays the same.

    The runtime's own decisions drive models of PostgreSQL, Kafka, Stripe, network and clock; each
    seed draws its own faults, is healed, has to come to rest, and is judged. Starts nothing and
    needs no environment. docs/simulation.md says what it cannot show.

    Example: bookpayctl simulate --seeds 1000 --workers 2
    """
    files = report_files(report, output)
    if mutants and trace:
        fail("--mutants and --trace do not go together", ExitCode.USAGE)
    if mutants:
        from bookpayctl.simulation.trying import try_mutants

        finish(try_mutants(seed, orders=orders, observe=_tell_mutant), output, files)
    from bookpayctl.simulation.run import SimulationRequest
    from bookpayctl.simulation.run import simulate as play

    request = SimulationRequest(seed, seeds, orders, workers)
    result = play(request, _Progress(seeds).tell)
    if trace:
        _trace(seed, seeds, orders)
    finish(result, output, files, detailed=verbose)


class _Progress:
    """A line now and then: how far, how fast, how many are red."""

    def __init__(self, seeds: int) -> None:
        self.seeds = seeds
        self.began = self.told_at = time.monotonic()

    def tell(self, tally: Tally) -> None:
        now = time.monotonic()
        if now - self.told_at < PROGRESS_SECONDS:
            return
        self.told_at = now
        pace = tally.seeds / (now - self.began)
        red = len({seed for found in tally.red.values() for seed, _ in found})
        left = (self.seeds - tally.seeds) / pace
        hint(f"{tally.seeds} of {self.seeds} seeds, {pace:.1f}/s, {red} red, {left:.0f} s left")


def _tell_mutant(item: Item) -> None:
    hint(f"{item.id}: {item.observed}")


def _trace(first: int, seeds: int, orders: int) -> None:
    """The first red seed again, with the story of what it found."""
    from bookpayctl.simulation.verdict import trace, try_seed

    for seed in range(first, first + seeds):
        verdict, ended, _ = try_seed(seed, orders)
        if not verdict.findings:
            continue
        subjects = dict.fromkeys(s for found in verdict.findings.values() for s, _ in found if s)
        hint(f"seed {seed}: {ended.world.swarm_at_start}")
        for subject in list(subjects)[:TRACED_MAX]:
            hint(f"--- {subject}")
            for line in trace(ended, subject):
                hint(line)
        return
    hint("no seed is red; there is nothing to trace")


def register(app: typer.Typer) -> None:
    app.command("simulate")(simulate)
