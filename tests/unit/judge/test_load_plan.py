"""A load is planned before it begins: same seed, same orders; the mix is what was asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from bookpayctl.load.plan import MixError, OrderKind, parse_mix, percentile, plan_arrivals


def test_a_mix_is_read_with_its_weights() -> None:
    assert parse_mix("ok=80,declined=15,slow=5") == {
        OrderKind.OK: 80,
        OrderKind.DECLINED: 15,
        OrderKind.SLOW: 5,
    }


@pytest.mark.parametrize("text", ["", "ok", "ok=x", "ok=-1", "fast=3", "ok=0", "ok=1,ok=2", "ok=²"])
def test_a_mix_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(MixError):
        parse_mix(text)


def test_the_same_seed_plans_the_same_load() -> None:
    mix = parse_mix("ok=1,declined=1")

    first = plan_arrivals(rate_per_second=50, duration_seconds=10, mix=mix, seed=7)
    second = plan_arrivals(rate_per_second=50, duration_seconds=10, mix=mix, seed=7)

    assert first == second
    assert first != plan_arrivals(rate_per_second=50, duration_seconds=10, mix=mix, seed=8)


def test_changing_the_mix_leaves_the_times_as_they_were() -> None:
    one = plan_arrivals(rate_per_second=20, duration_seconds=5, mix={OrderKind.OK: 1}, seed=1)
    two = plan_arrivals(rate_per_second=20, duration_seconds=5, mix={OrderKind.SLOW: 1}, seed=1)

    assert [a.after_seconds for a in one] == [a.after_seconds for a in two]


def test_rate_and_mix_are_met() -> None:
    mix = parse_mix("ok=80,declined=15,slow=5")

    arrivals = plan_arrivals(rate_per_second=100, duration_seconds=100, mix=mix, seed=0)

    kinds = Counter(arrival.kind for arrival in arrivals)
    assert 9_600 < len(arrivals) < 10_400
    assert 0.78 < kinds[OrderKind.OK] / len(arrivals) < 0.82
    assert all(0 <= arrival.after_seconds < 100 for arrival in arrivals)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.99, 4.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected
