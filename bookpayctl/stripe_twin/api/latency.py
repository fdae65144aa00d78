"""How long a request takes beside its work. Pure but for the generator it is given."""

import math
import random
from dataclasses import dataclass

# The standard normal deviate below which 99 of 100 lie.
_Z99 = 2.3263


@dataclass(slots=True)
class Latency:
    """How long every request takes beside its work: the same for all, or drawn for each.

    Attributes:
        milliseconds: the fixed part; with `p99_milliseconds`, the median.
        jitter_milliseconds: at most this is added, every amount as likely as another.
        p99_milliseconds: when above the median, latencies are log-normal with this 99th
            percentile: most answers near the median and a long tail, as over a real network.
    """

    milliseconds: float = 0.0
    jitter_milliseconds: float = 0.0
    p99_milliseconds: float = 0.0

    def seconds(self, rng: random.Random) -> float:
        base = self.milliseconds
        if self.p99_milliseconds > base > 0:
            sigma = math.log(self.p99_milliseconds / base) / _Z99
            base = rng.lognormvariate(math.log(base), sigma)
        jitter = rng.random() * self.jitter_milliseconds if self.jitter_milliseconds else 0.0
        return (base + jitter) / 1000
