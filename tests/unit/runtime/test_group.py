"""When a member of a consumer group does its part, and the words for when it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from runtime.domain.group import (
    LOOP_SECONDS_MAX,
    STANDSTILL_SECONDS_MAX,
    BrokerSight,
    Gap,
    OwnSight,
    records_lost,
    standstills,
    what_is_lost,
    what_is_missing,
)

P0, P1 = ("orders.placed", 0), ("orders.placed", 1)
MEMBERS = {"worker-0": {P0}, "worker-1": {P1}}
BROKER = BrokerSight(
    {"orders.placed": 2},
    {P0: 0, P1: 0},
    {P0: 9, P1: 0},
    is_settled=True,
    members=MEMBERS,
)
OWN = OwnSight(["orders.placed"], "worker-0", {P0: 9}, round_seconds=0.4, idle_seconds=0.5)


def missing(broker: BrokerSight, own: OwnSight) -> list[str]:
    return what_is_missing(broker, own, standstills(broker, own, {}, 1.0), 1.0)


def test_a_member_that_has_read_all_that_is_its_to_read_lacks_nothing() -> None:
    assert missing(BROKER, OWN) == []


def test_a_member_more_than_there_are_partitions_lacks_nothing() -> None:
    broker = replace(BROKER, members={**MEMBERS, "worker-2": set()})

    assert missing(broker, replace(OWN, client_id="worker-2", positions={})) == []


def test_a_member_that_reads_lacks_nothing_while_nobody_says_who_is_in_the_group() -> None:
    """One of several brokers is down: all consumers at once must not look broken for it."""
    assert missing(replace(BROKER, members=None, is_settled=False), OWN) == []


@pytest.mark.parametrize(
    ("broker", "own", "expected"),
    [
        (
            replace(BROKER, partitions={}, members={"worker-0": set()}),
            replace(OWN, positions={}),
            "topic orders.placed does not exist",
        ),
        (
            BROKER,
            replace(OWN, round_seconds=LOOP_SECONDS_MAX + 1),
            "its loop has not come round for 61 s",
        ),
        (BROKER, replace(OWN, client_id="guest"), "it is not a member of its group"),
        (replace(BROKER, is_settled=False), OWN, "its group is being balanced"),
        (
            BROKER,
            replace(OWN, positions={}),
            "orders.placed/0 is this member's and is not read",
        ),
        (
            replace(BROKER, members={"worker-0": {P0}}),
            OWN,
            "orders.placed/1 is read by nobody",
        ),
        (
            replace(BROKER, members=None, is_settled=False),
            replace(OWN, positions={}),
            "it reads nothing, and Kafka does not say who is to",
        ),
    ],
)
def test_each_way_to_fall_silent_has_its_sentence(
    broker: BrokerSight, own: OwnSight, expected: str
) -> None:
    assert missing(broker, own) == [expected]


def test_a_position_that_stays_before_records_is_a_standstill_after_its_time() -> None:
    own = replace(OWN, positions={P0: 4})
    seen = standstills(BROKER, own, {}, 100.0)
    still = standstills(BROKER, own, seen, 100.0 + STANDSTILL_SECONDS_MAX + 1)

    at_first = what_is_missing(BROKER, own, seen, 100.0)
    in_the_end = what_is_missing(BROKER, own, still, 101.0 + STANDSTILL_SECONDS_MAX)

    assert at_first == []
    assert in_the_end == ["orders.placed/0 stands still at 4 of 9"]


OUT: Final = replace(BROKER, members={"worker-1": {P1}})
UNREAD: Final = replace(OWN, positions={})


@pytest.mark.parametrize(
    ("broker", "own", "expected"),
    [
        (OUT, OWN, ["it is not a member of its group"]),
        (BROKER, UNREAD, ["orders.placed/0 is this member's and is not read"]),
        (BROKER, OWN, []),
        # Nobody polls, or what is polled comes again because it cannot be stored.
        (OUT, replace(OWN, idle_seconds=0.0), []),
        # Who is in it is not said; it is about to be settled; another one is missing.
        (replace(OUT, members=None), OWN, []),
        (replace(BROKER, is_settled=False), UNREAD, []),
        (replace(BROKER, members={"worker-0": {P0}}), OWN, []),
    ],
)
def test_a_client_is_lost_by_what_it_alone_could_mend(
    broker: BrokerSight, own: OwnSight, expected: list[str]
) -> None:
    assert what_is_lost(broker, own, {}, 1.0) == expected


def test_a_client_that_is_given_nothing_of_what_is_there_is_lost() -> None:
    own = replace(OWN, positions={P0: 4})
    seen = standstills(BROKER, own, {}, 100.0)

    assert what_is_lost(BROKER, own, seen, 100.0) == []
    assert what_is_lost(BROKER, own, seen, 101.0 + STANDSTILL_SECONDS_MAX) == [
        "orders.placed/0 stands still at 4 of 9"
    ]


def test_a_position_that_moves_is_no_standstill_however_far_it_is_behind() -> None:
    seen = standstills(BROKER, replace(OWN, positions={P0: 4}), {}, 100.0)
    moved = standstills(BROKER, replace(OWN, positions={P0: 5}), seen, 500.0)

    assert moved[P0].since == 500.0


def test_what_waited_long_for_its_next_record_does_not_stand_still_when_it_comes() -> None:
    idle = standstills(BROKER, OWN, {}, 0.0)
    behind = replace(BROKER, ends={P0: 10, P1: 0})

    assert standstills(behind, OWN, idle, 9_000.0)[P0].since == 9_000.0


def test_an_unknown_position_counts_from_the_first_record_there_is() -> None:
    nobody_knows = replace(OWN, positions={P0: None, P1: None})

    assert set(standstills(BROKER, nobody_knows, {}, 1.0)) == {P0}


def test_a_position_before_the_first_record_waits_only_for_records_that_are_there() -> None:
    trimmed = replace(BROKER, starts={P0: 9, P1: 0})

    assert standstills(trimmed, replace(OWN, positions={P0: 4}), {}, 1.0) == {}


@pytest.mark.parametrize(
    ("gap", "start", "lost"),
    [
        (Gap(P0, 2, 5), 5, 3),
        (Gap(P0, 2, 5), 4, 2),
        # Marks of a transaction, or what compaction took: nothing that a reader should have seen.
        (Gap(P0, 2, 5), 0, 0),
        (Gap(P0, 2, 5), 2, 0),
        # The rest was deleted later, after it had been read.
        (Gap(P0, 2, 5), 900, 3),
    ],
)
def test_only_offsets_below_the_first_that_is_there_are_lost(
    gap: Gap, start: int, lost: int
) -> None:
    assert records_lost(gap, start) == lost
