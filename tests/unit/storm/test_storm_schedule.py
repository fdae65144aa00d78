"""A storm is drawn before it runs: the same for the same seed, and never on what is not there."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Final

import pytest

from bookpayctl.storm.kinds import ACTIONS, KINDS, POINTS, StormProfile, kinds_of, needs_of
from bookpayctl.storm.schedule import (
    CALM_SECONDS,
    PlannedFault,
    Schedule,
    ScheduleError,
    draw_schedule,
    read_schedule,
    roles_of,
)
from runtime.domain.names import Service
from runtime.faults.names import INAPPLICABLE, Action, Failpoint

PROCESSES: Final = {
    "postgres": ["postgres"],
    "kafka": ["kafka"],
    "stripe-twin": ["stripe-twin"],
    **{
        service.value: [f"{service.value}-{n}" for n in (1, 2)]
        for service in Service
        if service not in (Service.GATEWAY, Service.ORDERS)
    },
    Service.GATEWAY.value: ["payments-gateway"],
    Service.ORDERS.value: ["orders-service-http", "orders-service-consumer"],
}


def drawn(
    seed: int, *, seconds: float = 600.0, profile: StormProfile = StormProfile.EVERYTHING
) -> Schedule:
    return draw_schedule(
        seed,
        duration_seconds=seconds,
        rate_per_second=10.0,
        faults_per_minute=10.0,
        profile=profile,
        processes=PROCESSES,
    )


def test_the_same_seed_draws_the_same_storm_and_another_one_another() -> None:
    assert drawn(5) == drawn(5)
    assert drawn(5).faults != drawn(6).faults


def test_a_longer_storm_begins_as_the_shorter_one() -> None:
    shorter, longer = drawn(5, seconds=120.0).faults, drawn(5, seconds=600.0).faults

    assert longer[: len(shorter)] == shorter
    assert len(longer) > len(shorter) > 0


def test_a_schedule_is_kept_and_read_again_as_it_was() -> None:
    schedule = drawn(5)

    assert read_schedule(json.loads(json.dumps(schedule.document()))) == schedule


@pytest.mark.parametrize(
    "spoilt",
    [{}, {"version": 2}, {"version": 1}, {"version": 1, "faults": [{"kind": "earthquake"}]}],
)
def test_what_is_no_schedule_is_refused(spoilt: dict[str, object]) -> None:
    with pytest.raises(ScheduleError):
        read_schedule(spoilt)


def test_a_kind_that_nobody_knows_is_refused_by_its_name() -> None:
    schedule = drawn(5)
    unknown = replace(schedule.faults[0], kind="earthquake")

    with pytest.raises(ScheduleError, match="earthquake"):
        read_schedule(json.loads(json.dumps(replace(schedule, faults=(unknown,)).document())))


def test_all_is_calm_before_the_load_ends() -> None:
    for seed in range(50):
        schedule = drawn(seed, seconds=75.0)

        assert all(fault.ends_at <= 75.0 - CALM_SECONDS for fault in schedule.faults)


def test_no_two_faults_begin_within_a_second() -> None:
    begins = [fault.at_seconds for fault in drawn(5).faults]

    assert begins == sorted(begins)
    assert all(later - earlier >= 0.9 for earlier, later in pairwise(begins))


def test_processes_that_differ_by_a_number_do_the_same() -> None:
    names = ["orders-http", "orders-consumer", "worker-0", "worker-1"]

    assert roles_of(names) == [["orders-http"], ["orders-consumer"], ["worker-0", "worker-1"]]


def down(fault: PlannedFault) -> set[str]:
    """Servers and whole services that a fault takes away, as a reader of it would say."""
    named = {name for one in fault.targets for name in PROCESSES.get(one, [one])}
    return {
        service
        for service, names in PROCESSES.items()
        if any(set(role) <= named for role in roles_of(names))
    }


def test_no_fault_takes_away_what_another_needs_meanwhile() -> None:
    overlaps = 0
    for seed in range(20):
        for one, other in combinations(drawn(seed).faults, 2):
            if one.at_seconds < other.ends_at and other.at_seconds < one.ends_at:
                overlaps += 1
                assert not down(one) & needs_of(other.kind, other.point), (seed, one, other)
                assert not down(other) & needs_of(one.kind, one.point), (seed, one, other)

    assert overlaps > 50, "faults of a storm overlap, or this test has seen nothing"


def test_every_kind_and_every_failpoint_is_drawn_by_some_seed() -> None:
    faults = [fault for seed in range(60) for fault in drawn(seed).faults]

    assert {fault.kind for fault in faults} == set(KINDS)
    assert {fault.point for fault in faults if fault.point} == {
        point for points in POINTS.values() for point in points
    }
    assert {fault.extent for fault in faults} == {"", "one", "leader", "minority", "all"}


def test_a_seed_leaves_kinds_out() -> None:
    kinds = [len({fault.kind for fault in drawn(seed).faults}) for seed in range(50)]

    assert max(kinds) < len(KINDS)


@pytest.mark.parametrize("profile", StormProfile)
def test_a_profile_has_its_own_kinds_alone(profile: StormProfile) -> None:
    kinds = {fault.kind for seed in range(30) for fault in drawn(seed, profile=profile).faults}

    assert kinds == set(kinds_of(profile))


def test_the_failpoints_of_a_storm_are_there_and_can_do_what_is_asked_of_them() -> None:
    for kind, points in POINTS.items():
        for point in points:
            assert (Failpoint(point), Action(ACTIONS[kind])) not in INAPPLICABLE
