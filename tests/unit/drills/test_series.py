"""Several drills in one go: what is run, in which order, and what the whole comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.cli.drill_choice import Choice, chosen
from bookpayctl.cli.output import Failed
from bookpayctl.drill.scenario import Drill, DrillRequest
from bookpayctl.drill.series import Turn, run_series, turns_of
from bookpayctl.drills import find_drill, load_drill
from bookpayctl.drills.catalogue import CATALOGUE, Area
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.session import RefusedError, refused_report
from bookpayctl.targets.platforms import CLUSTERS
from tests.support.environments import environment_away


def drill_named(slug: str) -> Drill:
    found = find_drill(slug)
    assert found is not None
    return found


@pytest.fixture
def turns(tmp_path: Path) -> list[Turn]:
    request = DrillRequest(environment_away(tmp_path), "kafka")
    points = ("kafka", "postgres", "stripe-twin")
    return [Turn(drill_named("outage"), replace(request, point=point)) for point in points]


def one_answer(turn: Turn, verdict: Verdict, *incidents: ExitCode) -> Report:
    """What a drill with one answer comes to."""
    reason = "nobody knows" if verdict is Verdict.UNKNOWN else ""
    item = Item(
        "outage/part-away", "t", verdict, "r", "seen", int(verdict is Verdict.HOLDS), reason=reason
    )
    return Report(
        "DrillReport",
        {"point": turn.request.point},
        (item,),
        "2026-11-30T00:00:00.000+00:00",
        1.0,
        each_must_answer=False,
        incidents=incidents,
    )


def performed(
    turns: list[Turn], verdicts: dict[str, Verdict], incidents: dict[str, ExitCode] | None = None
) -> tuple[Report, list[str]]:
    """The series' report, and the points that were struck."""
    struck: list[str] = []

    def perform(drill: Drill, request: DrillRequest) -> Report:
        struck.append(request.point)
        found = (incidents or {}).get(request.point)
        turn = Turn(drill, request)
        if found is ExitCode.REFUSED:
            return refused_report("DrillReport", request.environment, RefusedError("not now"))
        verdict = verdicts.get(request.point, Verdict.HOLDS)
        return one_answer(turn, verdict, *([found] if found else []))

    environment = turns[0].request.environment
    return run_series(environment, turns, [], perform, lambda _: None), struck


# --- what it comes to -----------------------------------------------------------------------


def test_the_worst_drill_is_the_verdict_and_the_others_are_run_all_the_same(
    turns: list[Turn],
) -> None:
    report, struck = performed(turns, {"kafka": Verdict.VIOLATED})

    assert struck == ["kafka", "postgres", "stripe-twin"]
    assert report.code is ExitCode.VIOLATED
    assert [item.verdict for item in report.items] == [
        Verdict.VIOLATED, Verdict.HOLDS, Verdict.HOLDS,
    ]  # fmt: skip
    assert "outage/part-away violated: seen" in report.items[0].evidence


def test_what_an_earlier_drill_was_told_of_is_said_to_be_its(turns: list[Turn]) -> None:
    both = {"kafka": Verdict.WARNING, "postgres": Verdict.WARNING}

    first, second, _ = performed(turns, both)[0].items

    assert first.evidence == ("outage/part-away warning: seen",)
    assert second.evidence == ("outage/part-away warning: seen; the same since outage/at-kafka",)
    assert second.verdict is Verdict.WARNING


@pytest.mark.parametrize("verdict", [Verdict.VACUOUS, Verdict.UNKNOWN])
def test_one_that_showed_nothing_spoils_the_whole(turns: list[Turn], verdict: Verdict) -> None:
    report, _ = performed(turns, {"postgres": verdict})

    assert report.verdict is verdict
    assert report.code is not ExitCode.PASS


@pytest.mark.parametrize("code", [ExitCode.DIRTY, ExitCode.INTERRUPTED, ExitCode.TERMINATED])
def test_after_one_that_ended_badly_none_is_begun_and_each_says_so(
    turns: list[Turn], code: ExitCode
) -> None:
    report, struck = performed(turns, {}, {"kafka": code})

    assert struck == ["kafka"]
    assert report.code is code
    assert [item.verdict for item in report.items[1:]] == [Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert all("not begun" in item.reason for item in report.items[1:])


def test_a_refusal_of_the_first_is_the_whole_s(turns: list[Turn]) -> None:
    report, struck = performed(turns, {}, {"kafka": ExitCode.REFUSED})

    assert (report.code, struck) == (ExitCode.REFUSED, ["kafka"])
    assert report.items[0].reason == "not now"


def test_a_later_refusal_does_not_hide_what_was_found_before(turns: list[Turn]) -> None:
    report, struck = performed(turns, {"kafka": Verdict.VIOLATED}, {"postgres": ExitCode.REFUSED})

    assert (report.code, struck) == (ExitCode.VIOLATED, ["kafka", "postgres"])
    assert "not begun" in report.items[2].reason


def test_nothing_but_what_was_left_out_is_vacuous(tmp_path: Path) -> None:
    environment = environment_away(tmp_path)
    cluster = [load_drill(entry) for entry in CATALOGUE if load_drill(entry).platforms == CLUSTERS]
    turns, left_out = Choice((), everything=True).turns(cluster, environment)

    report = run_series(environment, turns, left_out, _never, lambda _: None)

    assert turns == []
    assert report.code is ExitCode.VACUOUS
    assert {item.verdict for item in report.items} == {Verdict.SKIPPED}
    assert all("runs on kind, kube alone" in item.reason for item in report.items)


# --- which are run --------------------------------------------------------------------------


def test_all_of_it_is_run_once_and_then_again_with_the_next_seed(tmp_path: Path) -> None:
    request = DrillRequest(environment_away(tmp_path), "kafka", seed=5)

    turns = turns_of([(drill_named("outage"), request)], every_point=True, repetitions=2)

    points = list(drill_named("outage").points)
    assert [turn.request.point for turn in turns] == points * 2
    assert [turn.request.seed for turn in turns] == [5] * len(points) + [6] * len(points)
    assert len({turn.id for turn in turns}) == len(turns)
    assert turns[0].id == "outage/at-kafka-1"


def test_what_is_named_comes_first_and_each_once() -> None:
    drills = chosen(Choice(("outage", "outage", "kill-storm"), tags=(Area.POSTGRES,)))

    slugs = [drill.slug for drill in drills]
    assert slugs[:2] == ["outage", "kill-storm"]
    assert sorted(slugs) == sorted(set(slugs))
    hit = {entry.slug for entry in CATALOGUE if Area.POSTGRES in entry.hits}
    assert set(slugs) == {"outage", "kill-storm"} | hit


def test_all_are_all() -> None:
    drills = chosen(Choice((), everything=True))

    assert [drill.slug for drill in drills] == [entry.slug for entry in CATALOGUE]


@pytest.mark.parametrize(
    ("choice", "word"),
    [
        (Choice(()), "which drill"),
        (Choice(("no-such",)), "no drill 'no-such'"),
        (Choice(("outage", "kill-storm"), at="kafka"), "--at"),
        (Choice(("outage",), at="kafka", every_point=True), "--at"),
        (Choice(("outage",), at="moon"), "outage has kafka"),
        (Choice(("outage",), keeps_fault=True, repetitions=2), "--keep"),
        (Choice((), everything=True, keeps_fault=True), "--keep"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(choice: Choice, word: str) -> None:
    refused = failure_of(lambda: chosen(choice))

    assert refused.failure.code is ExitCode.USAGE
    assert word in refused.failure.message


def _never(drill: Drill, _request: DrillRequest) -> Report:
    raise AssertionError(f"{drill.slug} was run")


def failure_of(call: Callable[[], object]) -> Failed:
    with pytest.raises(Failed) as caught:
        call()
    return caught.value
