"""JSON that can be read in one way only, and texts that a database takes."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import quota, strict_json
from runtime.services.orders import request

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(values)
def test_what_a_plain_writer_writes_is_read_as_it_was(value: Any) -> None:
    assert strict_json.parse(json.dumps(value).encode(), depth_max=100) == value


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[1,]", b"nul", b"\xff", b"\xef\xbb\xbf{}", b"{}{}", b"01", b"'x'"),
        *(b"NaN", b"[Infinity]", b'{"a":-Infinity}', b'{"a":1,"a":1}', b'{"b":{"a":1,"a":2}}'),
        *(b"9007199254740993", b"-9007199254740993", b"9" * 5000, b"[" * 5 + b"]" * 5),
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_what_two_readers_may_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(strict_json.NotStrictError):
        strict_json.parse(raw, depth_max=4)


def test_brackets_inside_a_text_are_no_nesting() -> None:
    assert strict_json.parse(b'["[[[[[[\\"[[["]', depth_max=1) == ['[[[[[["[[[']


def test_the_depth_is_found_without_recursing() -> None:
    """A recursive reader would end at about a thousand; this one refuses a million."""
    with pytest.raises(strict_json.NotStrictError, match="deeply"):
        strict_json.parse(b"[" * 1_000_000, depth_max=32)


def test_a_caller_may_name_what_stands_for_an_integer_too_wide() -> None:
    assert strict_json.parse(b"[9007199254740993, 1]", depth_max=2, too_wide=-1) == [-1, 1]


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ('"\\u0000"', False),
        ('{"a\\u0000":1}', False),
        ('{"a":["\\ud800"]}', False),
        ('"\\\\u0000"', True),
        ('"\\ud83d\\ude00"', True),
        ("[1,null,true]", True),
    ],
)
def test_only_nul_and_halves_of_pairs_are_texts_no_database_takes(text: str, takes: bool) -> None:
    assert strict_json.is_storable(json.loads(text)) is takes


def test_controls_and_invisible_characters_are_unclean_and_letters_are_not() -> None:
    unclean = [
        chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in ("Cc", "Cs", "Co")
    ]
    bidi = [chr(n) for n in range(0x110000) if unicodedata.bidirectional(chr(n)) in BIDI_CONTROLS]
    letters = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n))[0] in "LMNPS"]

    assert [c for c in [*unclean, *bidi] if not request._UNCLEAN.search(c)] == []
    assert [c for c in letters if request._UNCLEAN.search(c)] == []


BIDI_CONTROLS = ("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


# --- quotas -------------------------------------------------------------------------------------


def granted(times: list[float], *, rate: float, burst: int) -> list[bool]:
    bucket, answers = None, []
    for now in times:
        bucket, wait = quota.take(bucket, rate_per_second=rate, burst=burst, now_seconds=now)
        answers.append(wait == 0)
    return answers


def test_a_burst_is_granted_and_then_one_for_each_that_was_gained() -> None:
    assert granted([0, 0, 0, 0.4, 0.5, 0.6, 1.0], rate=2, burst=2) == [
        *(True, True, False, False, True, False, True),
    ]


def test_an_idle_bucket_holds_no_more_than_its_burst() -> None:
    assert granted([0, 1000, 1000, 1000], rate=1, burst=2) == [True, True, True, False]


def test_the_wait_is_the_time_until_the_next_is_gained() -> None:
    bucket, _ = quota.take(None, rate_per_second=0.5, burst=1, now_seconds=0)
    _, wait = quota.take(bucket, rate_per_second=0.5, burst=1, now_seconds=0.5)

    assert wait == pytest.approx(1.5)


@settings(max_examples=200)
@given(
    steps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    rate=st.floats(0.1, 10),
    burst=st.integers(1, 5),
)
def test_no_window_grants_more_than_burst_and_rate_allow(
    steps: list[float], rate: float, burst: int
) -> None:
    times, now = [], 0.0
    for step in steps:
        now += step
        times.append(now)

    answers = granted(times, rate=rate, burst=burst)

    assert sum(answers) <= burst + rate * (times[-1] - times[0]) + 1e-6


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    assert granted([10, 5, 5, 5], rate=1, burst=1) == [True, False, False, False]
