"""What an order costs: milliseconds of processor in each process that has a part in it.

Runs in an environment of its own, with a Stripe that takes 50 ms. Processor time is what /proc says
of each process and of its children between two looks, the load generator's own apart; it holds on a
machine that does something else as well, though a busy one makes all of it dearer. What the idle
stack uses in the same time is measured first and told beside it: a rate of orders that is halved
does not halve that.

    python -m benchmarks.order_cost [--rate 50] [--seconds 20] [--rounds 3] [-o table|json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.order_to_paid import bookpayctl, load, paid_of, up

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
# Of /proc/PID/stat behind the name in brackets: utime, stime, and those of children that ended.
_TIMES: Final = slice(11, 15)
_PARENT: Final = 1


def services(home: Path) -> dict[int, str]:
    """Which service each process of the environment is of, by pid."""
    document = json.loads(bookpayctl("status", "-o", "json", home=home))
    found = {row["pid"]: row["service"] for row in document["processes"] if row["pid"]}
    supervisor = {_stat(pid)[_PARENT] for pid in found}
    return found | {int(pid): "supervisor" for pid in supervisor if int(pid) > 1}


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def processor_seconds(known: Mapping[int, str]) -> dict[str, float]:
    """Seconds of processor that each service used since it began, its children's with them."""
    seconds: dict[str, float] = defaultdict(float)
    for pid, stat in _everybody():
        # A supervisor's ended children are its services, which count for themselves.
        times = stat[_TIMES] if known.get(pid) != "supervisor" else stat[_TIMES][:2]
        owner = _owner(pid, known)
        if owner is not None:
            seconds[owner] += sum(map(int, times)) / TICKS_PER_SECOND
    return seconds


def _everybody() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), _stat(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue


def _owner(pid: int, known: Mapping[int, str]) -> str | None:
    """The service of the nearest ancestor that is one."""
    try:
        while pid > 1:
            if pid in known:
                return known[pid]
            pid = int(_stat(pid)[_PARENT])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None


def used(known: Mapping[int, str], seconds: float) -> dict[str, float]:
    """Seconds of processor that the idle stack uses in so many seconds."""
    before = processor_seconds(known)
    time.sleep(seconds)
    return _difference(processor_seconds(known), before)


def _difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - before.get(name, 0.0) for name in after}


def measure(home: Path, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """The document: milliseconds an order of each service, over rounds, and the idle stack's."""
    load(home, rate, 5)  # code paths and caches are warm afterwards
    known = services(home)
    idle = used(known, 5)
    costs: list[dict[str, float]] = []
    latencies: list[dict[str, float]] = []
    for _ in range(rounds):
        before = processor_seconds(known)
        document = load(home, rate, seconds)
        spent = _difference(processor_seconds(known), before)
        accepted = document["ok"]
        costs.append({name: 1000 * spent[name] / accepted for name in spent})
        latencies.append(paid_of(document))
    names = sorted(costs[0], key=lambda name: -statistics.median(one[name] for one in costs))
    return {
        "rate": rate,
        "load_average": os.getloadavg()[0],
        "order_to_paid_ms": {
            each: statistics.median(one[each] for one in latencies) for each in ("p50", "p99")
        },
        "milliseconds_an_order": {
            name: statistics.median(one[name] for one in costs) for name in names
        },
        "idle_milliseconds_a_second": {name: 200 * idle[name] for name in names},
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder:
        home = Path(folder)
        try:
            up(home)
            document = measure(home, given.rate, given.seconds, given.rounds)
        finally:
            bookpayctl("down", "--purge", home=home)
    if given.output == "json":
        print(json.dumps(document, indent=2))
        return
    costs, idle = document["milliseconds_an_order"], document["idle_milliseconds_a_second"]
    print(f"{'':26}{'ms an order':>12}{'idle, ms a second':>20}")
    for name, cost in costs.items():
        print(f"{name:26}{cost:12.2f}{idle[name]:20.1f}")
    print(f"{'together':26}{sum(costs.values()):12.2f}{sum(idle.values()):20.1f}")
    paid, average = document["order_to_paid_ms"], document["load_average"]
    print(
        f"order -> paid p50 {paid['p50']:.0f} ms, p99 {paid['p99']:.0f} ms;"
        f" load average {average:.1f}"
    )


if __name__ == "__main__":
    main()
