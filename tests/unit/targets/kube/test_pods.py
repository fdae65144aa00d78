"""Processes as pods tell of them: names, runs, and how one ended."""

from __future__ import annotations

import pytest

from bookpayctl.targets.kube.pods import (
    STOPPED_ANNOTATION,
    any_port,
    http_port,
    is_operators_postgres,
    is_ours,
    process_of,
    runs_of,
    service_named,
    service_of,
    state_of,
    stopped_processes,
)
from bookpayctl.targets.kube.record import Record
from tests.unit.targets.kube.documents import RUNNING, Document, ended, pod, waiting


@pytest.mark.parametrize(
    ("workload", "service"),
    [
        ("orders-service", "orders-service"),
        ("orders-service-consumer", "orders-service"),
        ("payments-worker", "payments-worker"),
        ("kafka", "kafka"),
        ("istiod", None),
    ],
)
def test_a_workload_is_a_service_of_ours_a_server_or_neither(
    workload: str, service: str | None
) -> None:
    assert service_named(workload) == service


def test_a_pod_of_a_job_is_no_process() -> None:
    assert is_ours(pod())
    assert not is_ours(pod(owner="Job"))
    assert not is_ours(pod(app="istiod"))


def test_a_process_is_another_one_after_each_restart() -> None:
    first, second = pod(state=RUNNING), pod(state=RUNNING, last=ended(137), restarts=1)
    assert process_of(first).running
    assert process_of(first).incarnation != process_of(second).incarnation


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (pod(state=waiting("CrashLoopBackOff")), "CrashLoopBackOff"),
        (pod(state=RUNNING), "Running"),
        (pod(state=RUNNING, deletionTimestamp="2026-11-29T10:00:00Z"), "Terminating"),
        (pod(), "Pending"),
        (pod(state=ended(1)), "Error"),
    ],
)
def test_its_state_is_in_the_words_of_kubernetes(given: Document, word: str) -> None:
    assert state_of(given) == word
    assert process_of(given).running == (word == "Running")


@pytest.mark.parametrize(
    ("state", "status", "signal"),
    [
        (ended(137), 137, "SIGKILL"),
        (ended(143), 143, "SIGTERM"),
        (ended(0, "Completed"), 0, None),
        (ended(1), 1, None),
        (ended(137, signal=9), 137, "SIGKILL"),
        # Its own appetite killed it, not us: no proof of a kill.
        (ended(137, "OOMKilled"), 137, "OOMKilled"),
    ],
)
def test_how_it_ended(state: Document, status: int, signal: str | None) -> None:
    (before, _) = runs_of(pod(state=RUNNING, last=state, restarts=1))
    assert before.end is not None
    assert (before.end.status, before.end.signal) == (status, signal)


def test_a_record_tells_each_end_and_each_start_once() -> None:
    record = Record()
    record.learn(pod(state=RUNNING))
    place = len(record)
    crashed = pod(state=waiting("CrashLoopBackOff"), last=ended(137), restarts=1)
    back = pod(state=RUNNING, last=ended(137), restarts=1)
    for seen in (pod(state=ended(137)), crashed, back, back):
        record.learn(seen)
    events = record.since(place)
    assert [end.signal for end in events.ends_of("payments-worker-a")] == ["SIGKILL"]
    assert events.successors_of("payments-worker-a", "01234567.0") == ["01234567.1"]


def test_what_a_run_stopped_is_listed_and_waits_to_be_started() -> None:
    annotations = {STOPPED_ANNOTATION: '["payments-worker-a"]'}
    workload = {"metadata": {"name": "payments-worker", "annotations": annotations}}
    (process,) = stopped_processes(workload)
    assert (process.name, process.ended, process.running) == ("payments-worker-a", True, False)


@pytest.mark.parametrize("foreign", ["", "not json", '{"a": 1}', "3"])
def test_an_annotation_of_somebody_else_lists_nothing(foreign: str) -> None:
    workload = {"metadata": {"name": "kafka", "annotations": {STOPPED_ANNOTATION: foreign}}}
    assert stopped_processes(workload) == []


def test_an_instance_of_an_operators_postgresql_is_not_asked_over_http() -> None:
    instance = pod("bookstore-platform-1", owner="Cluster", state=RUNNING)
    instance["metadata"]["labels"] = {
        "cnpg.io/cluster": "bookstore-platform",
        "bookpay.dev/server": "postgres",
    }
    ports = [("postgresql", 5432), ("metrics", 9187), ("status", 8000)]
    instance["spec"]["containers"][0]["ports"] = [
        {"name": name, "containerPort": port} for name, port in ports
    ]

    assert service_of(instance) == "postgres"
    assert is_ours(instance)
    assert http_port(instance) is None
    assert any_port(instance) == 5432
    assert is_operators_postgres(instance)
    assert not is_operators_postgres(pod())
