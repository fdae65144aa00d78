"""The questions of `replay`, asked of logs and stacks that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable

from bookpayctl.controls.catalogue import WRONG_STACKS
from bookpayctl.report.result import Report
from bookpayctl.selftest.ledgers import log_items
from bookpayctl.selftest.report import selftest_report
from bookpayctl.selftest.stacks import stack_items


def replay_report(observe: Callable[[str], None]) -> Report:
    """Every mode at once: what one of them changes is what another has to see."""
    controls = [control for control in WRONG_STACKS if control.command[0] == "replay"]
    return selftest_report("replay", log_items(), stack_items(controls, observe))
