"""A cut counts from its order on: a reset is heard of before the proxy has answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from bookpayctl.drills.partition import LINKS, LOCAL_LINKS
from bookpayctl.faults.canary import KEPT, NEW
from bookpayctl.faults.link import SickLink
from bookpayctl.faults.partition import Partition
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.targets.cluster_target import ClusterTarget
from bookpayctl.targets.link import DiversionState, Link, LinkTarget
from bookpayctl.targets.target import Process
from bookpayctl.targets.toxic import Toxic, Toxicity
from bookpayctl.targets.witness import Witness
from tests.support.environments import environment_away
from tests.support.pretended_cluster import process

SERVICE = "payments-gateway"


class HastyProxy:
    """In a cluster and on this machine; who asks through it is reset before it has answered."""

    def __init__(self, root: Path) -> None:
        self.environment = environment_away(root, name="trial", target="kube")
        self._canary = Witness("canary")
        self._toxic: Toxicity | None = None

    def processes(self) -> dict[str, Process]:
        return {"worker-a": process("worker-a", "payments-worker")}

    def divert(self, _service: str) -> DiversionState:
        return self._state()

    def divert_links(self, _wanted: Sequence[Link]) -> None:
        """It is there already."""

    def roll(self, _service: str, *, deadline_seconds: float) -> None:
        """Nobody is there who could be restarted."""

    def place_witness(self, _process: str, _arguments: Sequence[str]) -> Witness:
        for number in (1, 2):
            self._hear(number, "answer")
        return self._canary

    def place_canary(self, _name: str, _seconds: float) -> Witness:
        return self.place_witness("", ())

    def set_toxic(self, _name: str, toxic: Toxic | None) -> DiversionState:
        if toxic is None:
            self._hear(4, "answer")
            return self._state()
        self._toxic = toxic.kind
        self._hear(3, "error")
        return self._state()

    set_toxic_of_link = set_toxic

    def diversion(self, _name: str) -> DiversionState:
        return self._state()

    link_state = diversion

    def _hear(self, number: int, end: str) -> None:
        for connection in (KEPT, NEW):
            for said in ({"asked": True}, {end: "its words"}):
                line = {"connection": connection, "number": number, **said}
                self._canary.hear(json.dumps(line))

    def _state(self) -> DiversionState:
        return DiversionState("10.0.0.9", self._toxic, 4, 1, (), 2, 2, 0, 10, 10)


def in_a_cluster(proxy: HastyProxy, run: Run) -> Partition:
    return Partition(
        cast("ClusterTarget", proxy),
        run,
        prefix="partition",
        link=LINKS[SERVICE],
        how=Toxicity.RESET,
        seconds=0.0,
        observe=lambda _: None,
    )


def on_this_machine(proxy: HastyProxy, run: Run) -> SickLink:
    return SickLink(
        cast("LinkTarget", proxy),
        run,
        prefix="partition",
        link=LOCAL_LINKS[SERVICE],
        toxic=Toxic(Toxicity.RESET, 0.0),
        observe=lambda _: None,
    )


@pytest.mark.parametrize("fault_of", [in_a_cluster, on_this_machine])
def test_a_connection_that_is_reset_before_the_proxy_has_answered_was_cut(
    tmp_path: Path, fault_of: Callable[[HastyProxy, Run], Partition | SickLink]
) -> None:
    fault = fault_of(HastyProxy(tmp_path), directory.begin(tmp_path / "runs", "partition"))
    fault.prepare()
    fault.inject()

    items = fault.prove(deadline_seconds=0.0)

    assert [item.verdict for item in items] == [Verdict.HOLDS] * 2
