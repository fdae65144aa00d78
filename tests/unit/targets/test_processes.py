"""Processes by name: their own, or that of the service or server that they belong to."""

from __future__ import annotations

import pytest

from bookpayctl.targets.target import Process, named


def process(name: str, service: str) -> Process:
    return Process(name, service, "RUNNING", running=True, ended=False, incarnation="1")


PROCESSES = {
    found.name: found
    for found in (
        process("payments-worker-b", "payments-worker"),
        process("payments-worker-a", "payments-worker"),
        process("postgres-0", "postgres"),
        process("notifier", "notifier"),
    )
}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("payments-worker-b", ["payments-worker-b"]),
        ("payments-worker", ["payments-worker-b", "payments-worker-a"]),
        ("postgres", ["postgres-0"]),
        ("notifier", ["notifier"]),
        ("payments", []),
    ],
)
def test_a_name_means_one_process_or_all_of_a_service(name: str, meant: list[str]) -> None:
    assert [found.name for found in named(PROCESSES, name)] == meant


@pytest.mark.parametrize("server", ["postgres", "kafka", "stripe-twin", "stripe-tap", "mail-sink"])
def test_what_is_no_service_of_ours_is_a_server(server: str) -> None:
    assert process("any-name", server).is_server


def test_a_service_is_no_server_whatever_its_process_is_called() -> None:
    assert not process("postgres", "payments-worker").is_server
