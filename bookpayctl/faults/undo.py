"""Putting back what a run changed: a fixed set of operations, each safe to repeat.

An undo entry names an operation and its arguments and nothing else, so that a file in a run folder
can never make this program execute something it does not already contain.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.clients import environment_clock, kafka
from bookpayctl.clients.database import DatabaseError, reading, writing
from bookpayctl.clients.probe_tenant import TENANT_ID, probe_tenants_api
from bookpayctl.clients.stripe_twin import TwinControl, TwinError
from bookpayctl.faults import topic_refill
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.runs.directory import Run, UndoEntry, read_undo
from bookpayctl.runs.files import rewrite_atomically
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterTarget
from bookpayctl.targets.credentials import WEBHOOK_SECRET
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import NoSuchProcessError, TargetError
from bookpayctl.targets.platforms import cluster_of, links_of
from bookpayctl.targets.target import Target
from runtime.domain.names import OrderStatus

DISARM_FAILPOINTS: Final = "disarm_failpoints"
DELETE_CONSUMER_GROUP: Final = "delete_consumer_group"
CLEAR_STRIPE_FAULTS: Final = "clear_stripe_faults"
PROCESSES_RUNNING: Final = "processes_running"
POSTGRES_WHOLE: Final = "postgres_whole"
UNCORDON_NODE: Final = "uncordon_node"
RESTORE_SERVICE: Final = "restore_service"
RESTORE_LINKS: Final = "restore_links"
CLOSE_PROBE_ORDER: Final = "close_probe_order"
ALIGN_CLOCKS: Final = "align_clocks"
FINISH_ROTATION: Final = "finish_rotation"
REFILL_TOPIC: Final = "refill_topic"
PUT_TOPIC_BACK: Final = "put_topic_back"
EVEN_PARTITIONS: Final = "even_partitions"
WITHDRAW_TITLES: Final = "withdraw_titles"
CLOSE_LETTERS_OF_LOST_RECORDS: Final = "close_letters_of_lost_records"

RUNNING_SECONDS_MAX: Final = 60.0

# In a cluster a dozen processes may have to be put somewhere, pulled and started at once.
RUNNING_IN_CLUSTER_SECONDS_MAX: Final = 180.0

# An instance that was the primary goes back to where the histories part, and follows the new one.
POSTGRES_WHOLE_SECONDS_MAX: Final = 180.0


@dataclass(frozen=True, slots=True)
class Undone:
    """One entry that was closed, or why it could not be."""

    entry: UndoEntry
    error: str | None


def undo_all(target: Target, run: Run) -> list[Undone]:
    """Undo every open entry, newest first; one that fails does not keep the others from it."""
    results = []
    for entry in reversed([entry for entry in read_undo(run.path) if not entry.done]):
        try:
            undo(target, entry)
        except UndoError as error:
            run.journal("undo_failed", op=entry.op, error=str(error))
            results.append(Undone(entry, str(error)))
            continue
        run.undone(entry)
        run.journal("undone", op=entry.op, **entry.arguments)
        results.append(Undone(entry, None))
    return results


def undo(target: Target, entry: UndoEntry) -> None:
    """Carry out one entry and see that it took effect.

    Raises:
        UndoError: it is unknown, or the system did not come back.
    """
    operation = _OPERATIONS.get(entry.op)
    if operation is None:
        raise UndoError(f"this version knows no undo operation {entry.op!r}")
    operation(target, entry.arguments)


def running_seconds_max(target: Target) -> float:
    """How long processes that were stopped, or are replaced, may take to run."""
    in_cluster = cluster_of(target) is not None
    return RUNNING_IN_CLUSTER_SECONDS_MAX if in_cluster else RUNNING_SECONDS_MAX


def armed_failpoints(environment: Environment, run_id: str) -> int:
    """How many failpoints of a run could still fire.

    Raises:
        DatabaseError: the database could not be asked.
    """
    with reading(environment.dsn) as conn:
        row = conn.execute(
            "SELECT count(*) FROM failpoints WHERE run_id = %s AND remaining > 0"
            " AND expires_at > clock_timestamp()",
            (run_id,),
        ).fetchone()
    return int(row[0]) if row else 0


def _disarm_failpoints(target: Target, arguments: dict[str, str]) -> None:
    run_id = arguments["run_id"]
    try:
        with writing(target.environment.dsn) as conn:
            conn.execute("DELETE FROM failpoints WHERE run_id = %s", (run_id,))
        left = armed_failpoints(target.environment, run_id)
    except DatabaseError as error:
        raise UndoError(f"failpoints of {run_id} are still armed: {error}") from error
    if left:
        raise UndoError(f"{left} failpoints of {run_id} are still armed")


def _delete_consumer_group(target: Target, arguments: dict[str, str]) -> None:
    group, servers = arguments["group"], target.environment.kafka
    try:
        kafka.delete_group(servers, group)
        still_there = kafka.group_exists(servers, group)
    except kafka.BrokerError as error:
        raise UndoError(f"consumer group {group} could not be deleted: {error}") from error
    if still_there:
        raise UndoError(f"consumer group {group} is still there")


def _clear_stripe_faults(target: Target, arguments: dict[str, str]) -> None:
    """Clear the twin's faults that were not there before the run; those in `keep` stay."""
    keep = set(arguments["keep"].split(","))
    url = target.environment.stripe_control_url
    if url is None:
        raise UndoError("the environment has no Stripe twin any more whose faults could be cleared")
    twin = TwinControl(url)
    try:
        for fault_id in twin.fault_ids():
            if fault_id not in keep:
                twin.clear_fault(fault_id)
        left = [fault_id for fault_id in twin.fault_ids() if fault_id not in keep]
    except TwinError as error:
        raise UndoError(f"the twin's faults could not be cleared: {error}") from error
    if left:
        raise UndoError(f"the twin still has faults {', '.join(left)}")


def _processes_running(target: Target, _arguments: dict[str, str]) -> None:
    """Start whatever a run stopped, let go on what it froze, and see every process running."""
    try:
        for process in target.processes().values():
            # Where a cluster replaces processes, one may be gone by the time it is its turn.
            with suppress(NoSuchProcessError):
                if process.running:
                    target.thaw(process.name)
                elif process.ended:
                    target.start(process.name)
        waited = wait_until(
            lambda: [p.name for p in target.processes().values() if not p.running],
            lambda down: not down,
            deadline_seconds=running_seconds_max(target),
        )
    except TargetError as error:
        raise UndoError(f"the processes could not be started: {error}") from error
    if not waited.reached:
        raise UndoError(f"not running: {', '.join(waited.value)}")


def _postgres_whole(target: Target, _arguments: dict[str, str]) -> None:
    """See that the operator has as many instances as there are to be; it sees to that by itself."""
    try:
        waited = wait_until(
            _cluster(target).postgres_instances,
            lambda now: now is not None and now.ready == now.instances,
            deadline_seconds=POSTGRES_WHOLE_SECONDS_MAX,
        )
    except TargetError as error:
        raise UndoError(f"PostgreSQL's operator could not be asked: {error}") from error
    if not waited.reached:
        raise UndoError(f"PostgreSQL is not whole again: {waited.value}")


def _uncordon_node(target: Target, arguments: dict[str, str]) -> None:
    node = arguments["node"]
    try:
        cluster = _cluster(target)
        cluster.uncordon(node)
        closed = [
            found for found in cluster.nodes() if found.name == node and not found.schedulable
        ]
    except TargetError as error:
        raise UndoError(f"node {node} may still take nothing new: {error}") from error
    if closed:
        raise UndoError(f"node {node} still takes nothing new")


def _restore_service(target: Target, arguments: dict[str, str]) -> None:
    service = arguments["service"]
    try:
        _cluster(target).restore_service(service)
    except TargetError as error:
        raise UndoError(f"service {service} may still be led elsewhere: {error}") from error


def _align_clocks(target: Target, _arguments: dict[str, str]) -> None:
    """See the environment's clock where the twin's is; neither can be put back."""
    environment = target.environment
    url = environment.stripe_control_url
    if url is None:
        raise UndoError("the environment has no Stripe twin any more whose clock could be asked")
    try:
        environment_clock.align(environment.dsn, environment_clock.twin_ahead_seconds(url))
    except (DatabaseError, TwinError) as error:
        raise UndoError(f"the clocks may be apart: {error}") from error


def signing_secret_path(environment: Environment) -> Path:
    """The file of webhook secrets that a local receiver and its twin read, newest first."""
    return environment.secrets_dir / WEBHOOK_SECRET


def _finish_rotation(target: Target, _arguments: dict[str, str]) -> None:
    """See the newest webhook secret alone; those before it are not put back."""
    path = signing_secret_path(target.environment)
    try:
        newest = path.read_text().split()[0]
        rewrite_atomically(path, f"{newest}\n")
    except (OSError, IndexError) as error:
        raise UndoError(f"{path} may still hold an old webhook secret: {error}") from error


def _restore_links(target: Target, _arguments: dict[str, str]) -> None:
    links = links_of(target)
    if links is None:
        raise UndoError(f"environment {target.environment.name} has no links that could be led")
    try:
        links.restore_links()
    except TargetError as error:
        raise UndoError(f"links may still be led through proxies: {error}") from error


def _close_probe_order(target: Target, arguments: dict[str, str]) -> None:
    """Cancel the probe order with this client key if it is pending; a settled one is closed."""
    environment, client_key = target.environment, arguments["client_key"]
    try:
        order_id = _open_probe_order(environment, client_key)
        if order_id is None:
            return
        with probe_tenants_api(environment.dsn, environment.orders_url) as api:
            reply = api.cancel(order_id, "the probe has ended")
        still_open = _open_probe_order(environment, client_key) is not None
    except DatabaseError as error:
        raise UndoError(f"probe order {client_key} may still be open: {error}") from error
    if still_open:
        raise UndoError(f"probe order {order_id} is still open: {reply.problem()}")


def _open_probe_order(environment: Environment, client_key: str) -> str | None:
    with reading(environment.dsn) as conn:
        row = conn.execute(
            "SELECT id FROM orders WHERE tenant_id = %s AND client_key = %s AND status = %s",
            (TENANT_ID, client_key, OrderStatus.PENDING.value),
        ).fetchone()
    return None if row is None else str(row[0])


def _withdraw_titles(target: Target, arguments: dict[str, str]) -> None:
    """Take unsold copies of titles that a run made up off the shelf; what was sold stays sold."""
    try:
        with writing(target.environment.dsn) as conn:
            conn.execute(
                "UPDATE inventory SET initial = initial - on_hand, on_hand = 0"
                " WHERE starts_with(sku, %s)",
                (arguments["sku_prefix"],),
            )
    except DatabaseError as error:
        raise UndoError(f"titles of this run may still be on sale: {error}") from error


def _cluster(target: Target) -> ClusterTarget:
    found = cluster_of(target)
    if found is None:
        raise UndoError(f"environment {target.environment.name} is in no cluster any more")
    return found


_OPERATIONS: Final[dict[str, Callable[[Target, dict[str, str]], None]]] = {
    DISARM_FAILPOINTS: _disarm_failpoints,
    DELETE_CONSUMER_GROUP: _delete_consumer_group,
    CLEAR_STRIPE_FAULTS: _clear_stripe_faults,
    PROCESSES_RUNNING: _processes_running,
    POSTGRES_WHOLE: _postgres_whole,
    UNCORDON_NODE: _uncordon_node,
    RESTORE_SERVICE: _restore_service,
    RESTORE_LINKS: _restore_links,
    CLOSE_PROBE_ORDER: _close_probe_order,
    ALIGN_CLOCKS: _align_clocks,
    FINISH_ROTATION: _finish_rotation,
    REFILL_TOPIC: topic_refill.refill_topic,
    PUT_TOPIC_BACK: topic_refill.put_topic_back,
    EVEN_PARTITIONS: topic_refill.even_partitions,
    WITHDRAW_TITLES: _withdraw_titles,
    CLOSE_LETTERS_OF_LOST_RECORDS: topic_refill.close_letters_of_lost_records,
}
