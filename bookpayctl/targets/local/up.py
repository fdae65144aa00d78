"""Bringing an environment up, whatever state it is in.

Fresh, stopped, running, half-running, or left behind by a power cut: the same steps lead to the
same end, every process ready. When a step fails, what this call started is stopped again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from bookpayctl.clients.database import Connection, DatabaseError
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.interrupts import shielded
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import credentials, environment
from bookpayctl.targets.environment import DEBEZIUM, Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.local import down
from bookpayctl.targets.local.machine import leftovers
from bookpayctl.targets.local.machine.state import save_state, socket_path
from bookpayctl.targets.local.ownership import kafka_mark, postgres_mark, servers, stripe_mark
from bookpayctl.targets.local.plan import (
    Applications,
    Plan,
    UpOptions,
    make_plan,
    recorded_environment,
)
from bookpayctl.targets.local.supervise import programs
from bookpayctl.targets.local.supervise.configuration import write_config
from bookpayctl.targets.local.supervise.programs import (
    CONNECT,
    POSTGRES,
    TWIN,
    Program,
    ReadinessProbe,
    Tier,
)
from bookpayctl.targets.local.supervise.supervisor import Supervisor, SupervisorError, launch
from bookpayctl.targets.local.supervise.waiting import (
    PartFailedError,
    Targets,
    tail,
    wait_until_ready,
)
from bookpayctl.targets.platform import UpStep
from bookpayctl.targets.servers import aot, connect, contents, jars, kafka, left_slot, postgres
from runtime.domain.names import PublisherMode

_POLL_SECONDS: Final = 0.02
_DAEMON_SECONDS_MAX: Final = 15.0
_UNDO_SECONDS_MAX: Final = 30.0


Tell = Callable[[UpStep], None]


class PublisherFixedError(TargetError):
    """Events of the environment leave by change data capture, and can leave no other way now."""

    code = ExitCode.USAGE
    reason = "publisher_fixed"
    fix = f"bookpayctl up --publisher {DEBEZIUM}, or down --purge first"


def bring_up(
    options: UpOptions,
    root: Path,
    tell: Tell,
    *,
    applications: Applications = programs.applications,
) -> Environment:
    """Bring the environment in `root` up and return when every process is ready.

    Call it with the environment's lock held and inside `interruptible`.

    Args:
        options: what the user decided.
        root: the environment's folder; made when missing.
        tell: told about every step.
        applications: every program but the two servers.

    Raises:
        OwnedByAnotherError: an existing server is another environment's; nothing was changed.
        PartFailedError: a process did not come up; nothing this call started is left running.
        DeadlineError: the same, for lack of time.
        interrupts.Stopped: the same, because somebody asked.
    """
    deadline = time.monotonic() + options.timeout_seconds
    recorded = recorded_environment(root, options.name)
    daemon = Supervisor(socket_path(root)).pid()
    if daemon is None or not leftovers.works_in(daemon, root):
        # Before ports are chosen: what nobody looks after any more may still listen on ours, and so
        # does a stack whose folder was removed while it ran.
        down.stop(root, timeout_seconds=_UNDO_SECONDS_MAX, tell=lambda t: tell(UpStep("up", t)))
    _refuse_other_publisher(options, recorded)
    plan = make_plan(options, root, applications=applications)
    for note in plan.notes:
        tell(UpStep("ports", note))
    plan = _claim_shared(plan, options, recorded, tell)
    supervisor = Supervisor(plan.socket_path)
    with _undo_on_failure(plan, supervisor, tell) as started:
        _prepare_worker(plan, tell)
        if supervisor.pid() is None:
            _prepare(plan, tell)
            write_config(root, plan.socket_path, plan.programs)
            _launch(plan, supervisor, deadline)
        else:
            _apply_changes(plan, supervisor, deadline)
        environment.save(plan.environment)
        _start_and_wait(plan, supervisor, started, deadline, tell)
    return plan.environment


def _refuse_other_publisher(options: UpOptions, recorded: Environment | None) -> None:
    """Debezium marks no row: whoever publishes after it would send every event there ever was."""
    if recorded is None or not recorded.captured or options.publisher == DEBEZIUM:
        return
    raise PublisherFixedError(
        f"environment {options.name!r} was brought up with --publisher {DEBEZIUM}, which marks no"
        f" event as published: with --publisher {options.publisher} every event it has would be"
        " sent again"
    )


def _claim_shared(plan: Plan, options: UpOptions, recorded: Environment | None, tell: Tell) -> Plan:
    """Make sure that the existing servers are nobody else's, before anything is done to them."""
    shared = servers.shared_servers(
        options.dsn,
        None if options.kafka_bootstrap_servers is None else plan.environment.kafka,
        options.stripe_api_base,
        recorded,
    )
    if not shared.state_keys():
        return plan
    stripe_key = plan.environment.secret(credentials.STRIPE_KEY)
    has_schema, _ = servers.look(shared, plan.claimant, stripe_key)
    remembered = {key: plan.state.shared.get(key, []) for key in shared.state_keys()}
    if options.dsn is not None and not has_schema:
        remembered[servers.state_key(servers.POSTGRES, options.dsn)] = [servers.SCHEMA_MADE]
    state = replace(plan.state, shared={**plan.state.shared, **remembered})
    save_state(plan.root, state)
    servers.claim(shared, plan.claimant, stripe_key, lambda text: tell(UpStep("stripe", text)))
    return replace(plan, state=state)


def _prepare(plan: Plan, tell: Tell) -> None:
    """Make data directories and settings. Only while nothing runs.

    The database is prepared beside the download, which is the only step that can take long and
    therefore stays in the main thread, where a signal ends it.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        database = pool.submit(_prepare_database, plan, tell)
        if plan.broker is not None:
            try:
                jars.ensure(
                    jars.cache_dir(),
                    lambda arrived, total: tell(_fetching("kafka", arrived, total)),
                )
                if not kafka.archive_file(plan.broker.jars).exists():
                    tell(UpStep("kafka", "learning to start fast, once", transient=True))
                aot.ensure(plan.broker.jars)
                kafka.prepare(plan.broker)
            except (jars.JarsError, kafka.KafkaError) as error:
                raise PartFailedError("kafka", str(error)) from error
        try:
            database.result()
        except postgres.PostgresError as error:
            raise PartFailedError(POSTGRES, str(error)) from error


def _prepare_worker(plan: Plan, tell: Tell) -> None:
    """Fetch the worker's jars and write its settings; it reads them only when it is started."""
    if plan.worker is None:
        return
    try:
        jars.ensure(
            jars.cache_dir(),
            lambda arrived, total: tell(_fetching(CONNECT, arrived, total)),
            jars.DEBEZIUM,
        )
    except jars.JarsError as error:
        raise PartFailedError(CONNECT, str(error)) from error
    connect.prepare(plan.worker)


def _fetching(part: str, arrived: int, total: int) -> UpStep:
    text = f"fetching {total} jars, once: {arrived} are there"
    return UpStep(part, text, transient=True, fraction=arrived / total)


def _prepare_database(plan: Plan, tell: Tell) -> None:
    if plan.database is None:
        return
    password = credentials.database_password(plan.environment.secrets_dir)
    if postgres.initialise(plan.database, password):
        tell(UpStep(POSTGRES, "data directory made"))
    elif plan.new_password:
        postgres.set_password(plan.database, password)
    postgres.write_settings(plan.database)


def _launch(plan: Plan, supervisor: Supervisor, deadline: float) -> None:
    try:
        launch(plan.root, plan.state.id)
    except SupervisorError as error:
        raise PartFailedError("supervisord", str(error)) from error
    answered = wait_until(
        supervisor.pid,
        lambda pid: pid is not None,
        deadline_seconds=min(deadline - time.monotonic(), _DAEMON_SECONDS_MAX),
        every_seconds=_POLL_SECONDS,
    )
    if not answered.reached:
        log = tail(plan.root / "logs", "supervisord")
        raise PartFailedError("supervisord", "does not answer on its socket", log)


def _apply_changes(plan: Plan, supervisor: Supervisor, deadline: float) -> None:
    """Give a running daemon the new configuration; only what changed is stopped."""
    write_config(plan.root, plan.socket_path, plan.programs)
    added, changed, removed = supervisor.reread()
    down.stop_processes(supervisor, [*changed, *removed], deadline)
    for name in (*changed, *removed):
        supervisor.remove(name)
    for name in (*changed, *added):
        supervisor.add(name)


def _start_and_wait(
    plan: Plan, supervisor: Supervisor, started: list[str], deadline: float, tell: Tell
) -> None:
    """Start everything in the order of need and return when all of it is ready."""
    began = time.monotonic()
    running = {info.name for info in supervisor.processes() if info.pid is not None}

    def start(wanted: Callable[[Program], bool]) -> None:
        for program in plan.programs:
            if wanted(program) and program.name not in running:
                running.add(program.name)
                started.append(program.name)
                supervisor.start(program.name)

    # Two things the services need before their first line: a schema and topics.
    missing = {"schema", "topics"}

    def provide(what: str) -> None:
        missing.discard(what)
        if not missing:
            start(lambda _program: True)

    def on_ready(program: Program) -> None:
        if program.probe is ReadinessProbe.POSTGRES:
            _fill_database(plan, tell)
            provide("schema")
        elif program.probe is ReadinessProbe.KAFKA:
            _create_topics(plan)
            provide("topics")
        elif program.name == TWIN:
            _mark_twin(plan, tell)
        tell(UpStep(program.name, f"ready after {time.monotonic() - began:.1f} s", done=True))

    start(lambda program: program.tier is not Tier.SERVICE)
    if plan.database is None:
        _fill_database(plan, tell)
        provide("schema")
    if plan.broker is None:
        _create_topics(plan)
        provide("topics")
    targets = Targets(
        plan.environment.dsn, plan.environment.kafka_bootstrap_servers, plan.environment.logs_dir
    )
    wait_until_ready(supervisor, plan.programs, targets, deadline=deadline, on_ready=on_ready)


def _fill_database(plan: Plan, tell: Tell) -> None:
    dsn, ours = plan.environment.dsn, plan.claimant

    def claim(conn: Connection) -> None:
        if plan.database is None:
            postgres_mark.claim(conn, dsn, ours)
        else:
            postgres_mark.take(conn, ours)

    try:
        contents.fill_database(dsn, plan.environment.secret("orders-token"), claim)
        if plan.worker is not None:
            contents.create_publication(
                dsn,
                connect.publication_name(plan.worker.manifests),
                connect.publication_statement(plan.worker.manifests),
            )
        # Whoever streamed was stopped before, and nobody streams yet.
        if plan.environment.settings["publisher"] != PublisherMode.WAL:
            note = left_slot.leave_no_slot(dsn)
            if note:
                tell(UpStep(POSTGRES, note))
    except (contents.ContentsError, DatabaseError) as error:
        raise PartFailedError(POSTGRES, str(error)) from error


def _create_topics(plan: Plan) -> None:
    try:
        if plan.broker is not None:
            kafka_mark.take(plan.environment.kafka, plan.claimant)
        made = contents.create_topics(plan.environment.kafka)
        if plan.worker is not None:
            contents.create_topics_of_others(
                plan.environment.kafka, connect.topics(plan.worker.manifests)
            )
    except contents.ContentsError as error:
        raise PartFailedError("kafka", str(error)) from error
    key = servers.state_key(servers.KAFKA, plan.environment.kafka_bootstrap_servers)
    if plan.broker is None and made:
        topics = sorted({*made, *plan.state.shared.get(key, [])})
        save_state(plan.root, replace(plan.state, shared={**plan.state.shared, key: topics}))


def _mark_twin(plan: Plan, tell: Tell) -> None:
    """Write our name down at our own twin, for whoever takes it for an existing Stripe."""
    where = plan.environment
    note = stripe_mark.take(
        where.stripe_api_base, where.secret(credentials.STRIPE_KEY), plan.claimant
    )
    if note:
        tell(UpStep(TWIN, note))


@contextmanager
def _undo_on_failure(plan: Plan, supervisor: Supervisor, tell: Tell) -> Iterator[list[str]]:
    """Stop what the block started when it does not reach its end.

    Yields:
        A list the block adds the names of started processes to. When the daemon did not run
        before, it and everything below it goes, whatever the list says.
    """
    ran_before = supervisor.pid() is not None
    started: list[str] = []
    try:
        yield started
    except BaseException:
        with shielded():
            tell(UpStep("up", "failed; stopping what was started"))
            if ran_before:
                down.stop_processes(supervisor, started, time.monotonic() + _UNDO_SECONDS_MAX)
            else:
                down.stop(plan.root, timeout_seconds=_UNDO_SECONDS_MAX, tell=lambda _text: None)
        raise
