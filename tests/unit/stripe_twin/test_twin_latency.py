"""The latency of the twin: fixed, jittered, or log-normal with a stated tail."""

from __future__ import annotations

import random
import statistics

from bookpayctl.stripe_twin.api.latency import Latency


def drawn(latency: Latency, count: int = 20_000) -> list[float]:
    rng = random.Random(7)
    return sorted(latency.seconds(rng) * 1000 for _ in range(count))


def test_a_fixed_latency_is_the_same_every_time() -> None:
    assert set(drawn(Latency(50), 10)) == {50.0}


def test_jitter_adds_at_most_what_it_says() -> None:
    values = drawn(Latency(50, jitter_milliseconds=20))

    assert 50 <= values[0] < 51
    assert 69 < values[-1] <= 70


def test_a_log_normal_latency_has_the_median_and_the_tail_it_was_given() -> None:
    values = drawn(Latency(50, p99_milliseconds=400))

    assert 48 < statistics.median(values) < 52
    assert 360 < values[int(len(values) * 0.99)] < 440
