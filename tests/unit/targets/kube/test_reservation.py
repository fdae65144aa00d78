"""When a lease keeps others out, and when it does not any more."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bookpayctl.targets.kube.reservation import is_over, may_be_taken, run_of

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


def lease(**spec: object) -> dict[str, object]:
    held = {"holderIdentity": "run-1", "leaseDurationSeconds": 30}
    return {"spec": {**held, "renewTime": "2026-11-29T11:59:40.000000Z", **spec}}


def test_a_holder_that_was_heard_of_keeps_others_out() -> None:
    assert not is_over(lease(), NOW)


@pytest.mark.parametrize(
    "spec",
    [
        {"renewTime": "2026-11-29T11:59:29.000000Z"},
        {"leaseDurationSeconds": 10},
        # Given back, or never taken.
        {"holderIdentity": ""},
        {"renewTime": None},
    ],
)
def test_one_that_was_not_does_not(spec: dict[str, object]) -> None:
    assert is_over(lease(**spec), NOW)


def test_a_lease_of_nobody_keeps_nobody_out() -> None:
    assert is_over({}, NOW)


@pytest.mark.parametrize(("dead", "taken"), [(["run-1"], True), (["run-2"], False), ([], False)])
def test_a_holder_that_is_known_to_be_dead_keeps_nobody_out(dead: list[str], taken: bool) -> None:
    held = lease(holderIdentity="run-1 of ana@box (pid 7)")

    assert may_be_taken(held, NOW, dead.__contains__) is taken


def test_one_that_was_not_heard_of_need_not_be_known_to_be_dead() -> None:
    assert may_be_taken(lease(renewTime=None), NOW, lambda run_id: False)


@pytest.mark.parametrize(
    ("holder", "run"),
    [("20261129-183607-check-6277 of ana@box (pid 7)", "20261129-183607-check-6277"), ("", "")],
)
def test_a_lease_tells_its_run(holder: str, run: str) -> None:
    assert run_of(lease(holderIdentity=holder)) == run


def test_a_lease_of_nobody_is_of_no_run() -> None:
    assert run_of({}) == ""
