"""How long a fault was felt: until nobody waits who waited then, and somebody new is served."""

from __future__ import annotations

import math

import pytest

from bookpayctl.drills.observing.storm_recovery import items_of_lines
from bookpayctl.drills.observing.storms_together import together_items
from bookpayctl.report.verdict import Verdict
from bookpayctl.storm.kinds import KAFKA_AWAY, POSTGRES_KILLED, PROCESS_KILLED, StormProfile
from bookpayctl.storm.recovery import FaultSpan, OrderSpan, recoveries, within

KILLED = FaultSpan(1, PROCESS_KILLED, 100.0, 100.0)
BEFORE = OrderSpan("before", 90.0, 91.0)
AFTER = OrderSpan("after", 101.0, 102.0)


def line(seconds: float | None, *, profile: str = "processes") -> dict[str, object]:
    return {
        "event": "recovered",
        "fault": 1,
        "kind": PROCESS_KILLED,
        "profile": profile,
        "seconds": seconds,
        "order_id": "o",
    }


def test_a_fault_is_over_when_those_who_waited_have_their_end_and_a_new_one_has() -> None:
    waited = OrderSpan("waited", 99.0, 107.5)

    (found,) = recoveries([KILLED], [BEFORE, waited, AFTER])

    assert (found.seconds, found.order_id) == (7.5, "waited")


def test_where_nobody_waited_the_first_new_order_tells() -> None:
    later = OrderSpan("later", 101.5, 130.0)

    (found,) = recoveries([KILLED], [BEFORE, later, AFTER])

    assert (found.seconds, found.order_id) == (2.0, "after")


def test_an_order_that_never_ends_is_never_recovered_from() -> None:
    (found,) = recoveries([KILLED], [OrderSpan("hangs", 99.0, math.inf), AFTER])

    assert found.seconds == math.inf


def test_a_fault_that_nobody_felt_says_nothing() -> None:
    assert recoveries([KILLED], [BEFORE]) == []


@pytest.mark.parametrize(
    ("kinds", "profile"),
    [
        ([PROCESS_KILLED], StormProfile.PROCESSES),
        ([PROCESS_KILLED, KAFKA_AWAY], StormProfile.SERVERS),
        ([POSTGRES_KILLED, "stripe-500"], StormProfile.STRIPE),
    ],
)
def test_a_recovery_is_of_the_gravest_class_that_touched_its_order(
    kinds: list[str], profile: StormProfile
) -> None:
    faults = [FaultSpan(n, kind, 100.0 + n, 100.0 + n) for n, kind in enumerate(kinds)]

    found = recoveries(faults, [OrderSpan("waited", 99.0, 110.0), OrderSpan("new", 104.0, 105.0)])

    assert {one.profile for one in found} == {profile}


def test_what_was_over_before_an_order_came_has_not_touched_it() -> None:
    long_ago = FaultSpan(0, KAFKA_AWAY, 10.0, 12.0)

    found = recoveries([long_ago, KILLED], [OrderSpan("w", 99.0, 103.0), AFTER])

    assert [one.profile for one in found if one.fault is KILLED] == [StormProfile.PROCESSES]


def test_a_percentile_is_one_of_the_figures_and_none_of_none() -> None:
    assert within([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert within([3.0], 0.99) == 3.0
    assert math.isnan(within([], 0.5))


@pytest.mark.parametrize(
    ("slowest", "verdict"),
    [(30.0, Verdict.HOLDS), (30.1, Verdict.WARNING), (None, Verdict.WARNING)],
)
def test_late_is_a_warning_and_never_is_not_a_number(
    slowest: float | None, verdict: Verdict
) -> None:
    (item,) = items_of_lines("storm/recovered", [line(1.0), line(slowest)])

    assert (item.id, item.verdict, item.examined) == ("storm/recovered-processes", verdict, 2)
    assert "nan" not in item.observed
    assert "inf" not in item.observed


def test_each_class_that_there_was_has_its_own_bound() -> None:
    items = items_of_lines("storm/recovered", [line(45.0), line(45.0, profile="servers")])

    assert [(item.id, item.verdict) for item in items] == [
        ("storm/recovered-processes", Verdict.WARNING),
        ("storm/recovered-servers", Verdict.HOLDS),
    ]


def seen(**counts: int) -> dict[str, object]:
    return {"event": "seen", "orders": 100, "counts": counts, "failpoints": {}}


def struck(*, proven: bool = True) -> list[dict[str, object]]:
    ends = "proven" if proven else "unproven"
    return [{"event": event, "kind": PROCESS_KILLED} for event in ("struck", ends)]


def test_what_one_storm_did_not_see_another_may_have() -> None:
    first = [*struck(), line(1.0), seen(**{"key-replayed": 2})]
    second = [*struck(proven=False), line(50.0), seen(**{"lease-lost": 1, "key-replayed": 1})]

    items = {item.id: item for item in together_items([first, second])}

    assert items["storm/together-faults"].observed == "1 of 2 proven, of 1 kinds, under 200 orders"
    assert items["storm/together-recovered-processes"].examined == 2
    together = items["storm/together-seen"]
    assert together.verdict is Verdict.WARNING
    assert "key-replayed: 3" in together.evidence
    assert together.evidence[0].startswith("answer-unknown: never")
    assert items["storm/together-failpoints"].verdict is Verdict.WARNING


def test_one_storm_alone_says_it_itself() -> None:
    assert together_items([[*struck(), seen()]]) == []
