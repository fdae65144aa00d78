"""Putting back what a run changed: a fixed set of operations, each safe to repeat.

An undo entry names an operation and its arguments and nothing else, so that a file in a run folder
can never make this program execute something it does not already contain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients import stripe_twin
from bookpayctl.runs.directory import Run, UndoEntry, read_undo
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.machine.state import socket_path
from bookpayctl.targets.local.supervise.supervisor import Supervisor, SupervisorError
from runtime.domain.names import SCHEMA

DISARM_FAILPOINTS: Final = "disarm_failpoints"
DELETE_CONSUMER_GROUP: Final = "delete_consumer_group"
CLEAR_STRIPE_FAULTS: Final = "clear_stripe_faults"
PROCESSES_RUNNING: Final = "processes_running"

RUNNING_SECONDS_MAX: Final = 60.0


class UndoError(RuntimeError):
    """Something could not be put back; the message says what is still changed."""


@dataclass(frozen=True, slots=True)
class Undone:
    """One entry that was closed, or why it could not be."""

    entry: UndoEntry
    error: str | None


def undo_all(environment: Environment, run: Run) -> list[Undone]:
    """Undo every open entry, newest first; one that fails does not keep the others from it."""
    results = []
    for entry in reversed([entry for entry in read_undo(run.path) if not entry.done]):
        try:
            undo(environment, entry)
        except UndoError as error:
            run.journal("undo_failed", op=entry.op, error=str(error))
            results.append(Undone(entry, str(error)))
            continue
        run.undone(entry)
        run.journal("undone", op=entry.op, **entry.arguments)
        results.append(Undone(entry, None))
    return results


def undo(environment: Environment, entry: UndoEntry) -> None:
    """Carry out one entry and see that it took effect.

    Raises:
        UndoError: it is unknown, or the system did not come back.
    """
    operation = _OPERATIONS.get(entry.op)
    if operation is None:
        raise UndoError(f"this version knows no undo operation {entry.op!r}")
    operation(environment, entry.arguments)


def armed_failpoints(environment: Environment, run_id: str) -> int:
    """How many failpoints of a run could still fire.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    from bookpayctl.clients.database import reading

    with reading(environment.dsn) as conn:
        row = conn.execute(
            "SELECT count(*) FROM failpoints WHERE run_id = %s AND remaining > 0"
            " AND expires_at > clock_timestamp()",
            (run_id,),
        ).fetchone()
    return int(row[0]) if row else 0


def _disarm_failpoints(environment: Environment, arguments: dict[str, str]) -> None:
    import psycopg

    try:
        with psycopg.connect(environment.dsn, connect_timeout=5, autocommit=True) as conn:
            conn.execute("SET search_path = " + SCHEMA)
            conn.execute("DELETE FROM failpoints WHERE run_id = %s", (arguments["run_id"],))
        left = armed_failpoints(environment, arguments["run_id"])
    except psycopg.Error as error:
        raise UndoError(f"failpoints of {arguments['run_id']} are still armed: {error}") from error
    if left:
        raise UndoError(f"{left} failpoints of {arguments['run_id']} are still armed")


def _delete_consumer_group(environment: Environment, arguments: dict[str, str]) -> None:
    from confluent_kafka import KafkaException

    from bookpayctl.clients import kafka

    group = arguments["group"]
    try:
        kafka.delete_group(environment.kafka_bootstrap_servers, group)
        still_there = kafka.group_exists(environment.kafka_bootstrap_servers, group)
    except KafkaException as error:
        raise UndoError(f"consumer group {group} could not be deleted: {error}") from error
    if still_there:
        raise UndoError(f"consumer group {group} is still there")


def _clear_stripe_faults(environment: Environment, arguments: dict[str, str]) -> None:
    """Clear the twin's faults that were not there before the run; those in `keep` stay."""
    keep = set(arguments["keep"].split(","))
    try:
        for fault_id in stripe_twin.fault_ids(environment):
            if fault_id not in keep:
                stripe_twin.clear_fault(environment, fault_id)
        left = [f for f in stripe_twin.fault_ids(environment) if f not in keep]
    except stripe_twin.TwinFaultError as error:
        raise UndoError(f"the twin's faults could not be cleared: {error}") from error
    if left:
        raise UndoError(f"the twin still has faults {', '.join(left)}")


def _processes_running(environment: Environment, _arguments: dict[str, str]) -> None:
    """Start whatever a run stopped, and see every process running."""
    try:
        supervisor = Supervisor(socket_path(environment.root))
        for info in supervisor.processes():
            if info.state in ("STOPPED", "EXITED", "FATAL"):
                supervisor.start(info.name)
        waited = wait_until(
            lambda: [info.name for info in supervisor.processes() if info.state != "RUNNING"],
            lambda down: not down,
            deadline_seconds=RUNNING_SECONDS_MAX,
        )
    except SupervisorError as error:
        raise UndoError(f"supervisor does not answer: {error}") from error
    if not waited.reached:
        raise UndoError(f"not running: {', '.join(waited.value)}")


_OPERATIONS: Final[dict[str, Callable[[Environment, dict[str, str]], None]]] = {
    DISARM_FAILPOINTS: _disarm_failpoints,
    DELETE_CONSUMER_GROUP: _delete_consumer_group,
    CLEAR_STRIPE_FAULTS: _clear_stripe_faults,
    PROCESSES_RUNNING: _processes_running,
}
