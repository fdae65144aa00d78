"""What is asked of a stack in a cluster before anybody trusts it, with what each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from bookpayctl.checks import CHECKS
from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine, verdicts
from tests.support.sabotage import sabotaged_gateway

ORDERS: Final = 500
SECONDS_MAX: Final = 900
LOAD: Final = ("load", "--rate", "25", "--duration", "20s", "--mix", "ok=100", "--settle", "180s")


def certify(command: CommandLine, cluster: TestCluster) -> None:
    """Orders are paid, the checks and a drill hold, and the drill's control is found to be bad.

    The last leaves orders that were charged twice.
    """
    command = replace(command, seconds_max=SECONDS_MAX)
    paid = 0
    with told(f"{ORDERS} orders"):
        # A machine that is too slow for the rate sends fewer of them a round, and says so.
        while paid < ORDERS:
            load = command.ask(*LOAD)
            assert load["exit"]["code"] == 0
            assert set(load["orders_by_status"]) == {"paid"}, load
            paid += load["orders_by_status"]["paid"]

    with told("check"):
        checked = command.ask("check")
    assert verdicts(checked) == dict.fromkeys([check.id for check in CHECKS], "holds")

    with told("crash-mid-charge"):
        crash = command.ask("drill", "crash-mid-charge")
    assert crash["verdict"] == "holds"

    with sabotaged_gateway(cluster), told("its control"):
        control = command.ask("drill", "crash-mid-charge", "--duration", "3s")
    assert control["exit"]["code"] == 1
    assert verdicts(control)["I10"] == "violated"


@contextmanager
def told(what: str) -> Iterator[None]:
    """Print what a step took: a figure for a reader, that no test judges."""
    began_at = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began_at:.1f} s")  # noqa: T201 - figures for a reader
