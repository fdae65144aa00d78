"""Poison: every kind is one that nobody can read, and its dead letter comes before its offset."""

from __future__ import annotations

import pytest

from bookpayctl.drills.observing.poison import PoisonSight
from bookpayctl.drills.poison_message import KINDS
from runtime.domain.event import Malformed, Record, parse_record
from runtime.domain.names import Header, Topic

EVENT_ID = "7f0c1c9e-0f0e-4d8e-9d4f-3c1f0f5b7a11"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_of_poison_is_set_aside_for_the_reason_that_the_drill_expects(name: str) -> None:
    record = Record(
        Topic.ORDERS_PLACED.value, 0, 1, b"key", KINDS[name].value,
        {Header.EVENT_ID.value: EVENT_ID, Header.TENANT_ID.value: "acme"},
    )  # fmt: skip

    assert parse_record(record) == Malformed(KINDS[name].reason)


@pytest.mark.parametrize(
    ("read_past", "letters", "too_late"),
    [
        ({"a", "b"}, {"a": ("bad_json",), "b": ("bad_json",)}, set()),
        ({"a", "b"}, {"a": ("bad_json",), "b": ()}, {"b"}),
        ({"a"}, {"a": ("bad_json",)}, set()),
        (set(), {"a": ("bad_json",), "b": ()}, set()),
        ({"a"}, {}, {"a"}),
    ],
)
def test_a_record_that_is_read_past_without_its_letter_got_its_offset_first(
    read_past: set[str], letters: dict[str, tuple[str, ...]], too_late: set[str]
) -> None:
    assert PoisonSight(frozenset(read_past), letters).offset_first == too_late
