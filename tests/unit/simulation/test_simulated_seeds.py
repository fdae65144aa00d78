"""A simulated run: the same for ever for one seed, at rest at its end, nothing violated."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bookpayctl.cli.reports import ReportFormat, render
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.verdict import Verdict
from bookpayctl.simulation.decisions import RIGHT
from bookpayctl.simulation.kernel import Call, Kernel, SimulatedProcess, Task
from bookpayctl.simulation.run import SimulationRequest, simulate
from bookpayctl.simulation.scenario import play
from bookpayctl.simulation.seeds import FAULTS, draw_swarm, stream
from bookpayctl.simulation.source import source_digest
from bookpayctl.simulation.verdict import trace, try_seed
from tests.support.report_schema import problems

ORDERS = 40


# --- the loop -------------------------------------------------------------------------------


def test_a_crash_drops_what_waits_and_the_next_incarnation_begins_anew() -> None:
    seen: list[str] = []
    kernel, process = Kernel(lambda _: True), SimulatedProcess("worker")

    def task() -> Task:
        seen.append("began")
        yield 5.0
        seen.append("went on")

    process.start = lambda: [task()]
    kernel.boot(process)
    kernel.at(1.0, lambda: kernel.crash(process, 3.0))

    kernel.run(8.0)
    assert seen == ["began", "began"]

    kernel.run(10.0)
    assert seen == ["began", "began", "went on"]


def test_a_frozen_process_goes_on_where_it_was_and_hears_what_came_meanwhile() -> None:
    heard: list[tuple[float, object]] = []
    kernel, process, call = Kernel(lambda _: True), SimulatedProcess("worker"), Call()

    def task() -> Task:
        answer = yield call
        heard.append((kernel.now, answer))

    process.start = lambda: [task()]
    kernel.boot(process)
    kernel.run(0.0)
    process.frozen_until = 60.0
    kernel.at(1.0, lambda: kernel.answer(call, "paid"))

    kernel.run(100.0)

    assert heard == [(60.0, "paid")]


def test_a_stream_is_the_same_for_ever_and_knows_no_other() -> None:
    assert stream(7, "net").random() == stream(7, "net").random()
    assert len({stream(7, name).random() for name in FAULTS}) == len(FAULTS)
    assert stream(7, "net").random() != stream(8, "net").random()


def test_each_fault_is_on_in_about_half_of_the_seeds() -> None:
    seeds = 300
    on = [name for seed in range(seeds) for name in draw_swarm(seed).rates]

    for fault in FAULTS:
        count = on.count(fault.partition("/")[2])
        assert seeds * 0.35 < count < seeds * 0.65, fault


# --- runs -----------------------------------------------------------------------------------


def test_the_same_seed_plays_the_same_history_to_the_last_bit() -> None:
    first, again, other = play(11, ORDERS), play(11, ORDERS), play(12, ORDERS)

    assert repr(first.world.history).encode() == repr(again.world.history).encode()
    assert first.world.history != other.world.history


def test_the_protocol_holds_and_comes_to_rest_in_a_few_dozen_seeds() -> None:
    for seed in range(24):
        verdict, ended, _ = try_seed(seed, ORDERS)

        assert verdict.findings == {}, f"seed {seed}: {ended.world.swarm_at_start}"
        assert ended.drained


def test_a_trace_tells_what_happened_to_one_order() -> None:
    _, ended, ledgers = try_seed(3, ORDERS)
    order_id = str(ledgers["orders"][0]["order_id"])

    told = trace(ended, order_id)

    assert any("placed" in line for line in told)
    assert any("charging" in line for line in told)


# --- the report -----------------------------------------------------------------------------


def test_a_run_that_has_not_seen_what_is_rare_is_vacuous_whatever_holds() -> None:
    told: list[int] = []

    report = simulate(SimulationRequest(2, 2, 5), lambda tally: told.append(tally.seeds))

    assert told == [1, 2]
    assert report.code is ExitCode.VACUOUS
    verdicts = {item.id: item.verdict for item in report.items}
    assert verdicts["I10"] is Verdict.HOLDS
    seen = [verdict for name, verdict in verdicts.items() if name.startswith("seen/")]
    assert {Verdict.HOLDS, Verdict.VACUOUS} == set(seen)
    assert report.context["source"] == source_digest()
    assert problems(json.loads(render(report, ReportFormat.JSON))) == []


def test_a_red_seed_is_named_with_the_command_that_plays_it_again() -> None:
    wrong = replace(RIGHT, releases_stock=False)

    report = simulate(SimulationRequest(0, 1, ORDERS, decisions=wrong), lambda _: None)

    item = next(item for item in report.items if item.id == "I18")
    assert report.code is ExitCode.VIOLATED
    assert item.evidence[0].startswith("seed ")
    assert item.fix.startswith("bookpayctl simulate --seeds 1 --seed ")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_processes_changes_no_answer(workers: int) -> None:
    request = SimulationRequest(20, 4, 10, workers)

    report = simulate(request, lambda _: None)

    counts = {item.id: item.examined for item in report.items}
    assert counts["I10"] == 4
    assert counts["seen/a-lease-that-ran-out"] == _leases_that_ran_out(20, 4, 10)


def _leases_that_ran_out(first: int, seeds: int, orders: int) -> int:
    played = (play(seed, orders) for seed in range(first, first + seeds))
    return sum(ended.counts["a lease that ran out"] for ended in played)
