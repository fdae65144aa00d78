"""What an `up` is going to run, decided before anything is started.

Reading, choosing and writing small files happens here; the outcome is a value that holds every
address, path and command line. A plan made twice for an environment that is whole is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka_servers import KafkaProof, KafkaServers
from bookpayctl.targets import credentials
from bookpayctl.targets.environment import (
    DEBEZIUM,
    Environment,
    EnvironmentMissingError,
    ProcessSpec,
    load_from,
)
from bookpayctl.targets.local import placement
from bookpayctl.targets.local.machine import ports
from bookpayctl.targets.local.machine.state import LocalState, load_state, save_state, socket_path
from bookpayctl.targets.local.ownership.claim import Claimant, claimant
from bookpayctl.targets.local.supervise import programs
from bookpayctl.targets.local.supervise.supervisor import Supervisor
from bookpayctl.targets.servers import connect, jars, kafka, postgres
from bookpayctl.targets.servers.contents import TENANT_ID
from bookpayctl.targets.servers.jars import cache_dir, jars_dir
from bookpayctl.targets.servers.owner import Owner, database_owner
from runtime.domain.names import PublisherMode

Applications = Callable[[programs.Addresses], list[programs.Program]]

_STOP_SECONDS_SERVER: Final = 20


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user decided.

    Attributes:
        dsn: an existing database instead of ours; no password in it.
        kafka_bootstrap_servers: an existing broker instead of ours, and what is shown to it.
        stripe_api_base: an existing Stripe instead of the twin.
        tap: a recording proxy between the gateway and Stripe.
        publisher: one of `settings.PUBLISHERS`.
        given_secrets: file name -> value the user brings for an existing Stripe.
        otlp_endpoint: a collector of traces; None: the services make none.
    """

    name: str
    webhook_port: int | None = None
    twin_latency_ms: int = 50
    webhook_window_seconds: int = 60
    shadow_mode: bool = False
    failpoints: bool = True
    tap: bool = False
    publisher: str = PublisherMode.POLL.value
    stripe_shared: bool = False
    log_level: str = "INFO"
    timeout_seconds: float = 120.0
    dsn: str | None = None
    kafka_bootstrap_servers: str | None = None
    kafka_proof: KafkaProof = field(default_factory=KafkaProof)
    stripe_api_base: str | None = None
    given_secrets: Mapping[str, str] = field(default_factory=dict)
    otlp_endpoint: str | None = None

    @property
    def kafka(self) -> KafkaServers | None:
        """The existing broker as a client dials it."""
        if self.kafka_bootstrap_servers is None:
            return None
        return KafkaServers(self.kafka_bootstrap_servers, self.kafka_proof.security)


@dataclass(frozen=True, slots=True)
class Plan:
    """One environment, ready to be started.

    Attributes:
        database: None when an existing one is used; likewise `broker`.
        worker: the Kafka Connect worker; None where our own publishers publish.
        new_password: the database does not know the password in the pass file yet.
        notes: what the user should know, such as a port that had to change.
    """

    root: Path
    state: LocalState
    socket_path: Path
    database: postgres.Postgres | None
    broker: kafka.Kafka | None
    worker: connect.Connect | None
    programs: tuple[programs.Program, ...]
    environment: Environment
    new_password: bool
    notes: tuple[str, ...]

    @property
    def claimant(self) -> Claimant:
        """The environment, as it writes itself down on servers."""
        return claimant(self.state.id, self.environment.name, self.root)


def make_plan(
    options: UpOptions, root: Path, *, applications: Applications = programs.applications
) -> Plan:
    """Decide everything for `up`, and write state and secrets down.

    Call it with the environment's lock held.

    Args:
        options: what the user decided.
        root: the environment's folder; made when missing.
        applications: every program but the two servers.

    Raises:
        PortTakenError: the pinned port is not to be had.
        LiveKeyError: a live Stripe key was given.
        OwnerError, PostgresError, KafkaError, StateError: this machine cannot run it.
    """
    _make_folders(root)
    new_password = credentials.ensure(root / "secrets", options.given_secrets)
    credentials.keep_for_kafka(root / "secrets", credentials.files_for_kafka(options.kafka_proof))
    socket = socket_path(root)
    owner = database_owner(os.environ)
    state = load_state(root) or placement.place(root, owner)
    chosen = _reserve_ports(options, root, socket, state)
    state = replace(state, ports=chosen.by_name)
    save_state(root, state)
    installation = placement.reachable_installation(state, owner)
    database = _database(options, state, installation, owner)
    broker = _broker(options, root, state)
    worker = _worker(options, root, state, database, broker)
    environment = _environment(options, root, state, database, broker)
    environment = replace(environment, psql_dir=installation / "bin")
    listed = [
        *([_postgres_program(database)] if database else []),
        *([_kafka_program(broker)] if broker else []),
        *applications(_addresses(options, environment, state)),
        *([_connect_program(worker)] if worker else []),
    ]
    return Plan(
        root=root,
        state=state,
        socket_path=socket,
        database=database,
        broker=broker,
        worker=worker,
        programs=tuple(listed),
        environment=replace(environment, processes=tuple(program.spec for program in listed)),
        new_password=new_password,
        notes=tuple(
            f"port {old} of {name} is taken; it is now on {chosen.by_name[name]}"
            for name, old in chosen.replaced.items()
        ),
    )


def recorded_environment(root: Path, name: str) -> Environment | None:
    """What an earlier `up` that got so far wrote down."""
    try:
        return load_from(root, name)
    except EnvironmentMissingError:
        return None


def _make_folders(root: Path) -> None:
    # The root may be entered by the database's user; everything in it is private.
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in ("logs", "runs", "stripe-twin"):
        (root / name).mkdir(mode=0o700, exist_ok=True)


def _reserve_ports(options: UpOptions, root: Path, socket: Path, state: LocalState) -> ports.Ports:
    pinned = {programs.RECEIVER_PROCESS: options.webhook_port} if options.webhook_port else {}
    return ports.reserve(
        cache_dir(),
        root,
        programs.PORT_NAMES,
        recorded=state.ports,
        pinned=pinned,
        busy_is_ours=_our_ports(Supervisor(socket), state),
    )


def _database(
    options: UpOptions, state: LocalState, installation: Path, owner: Owner | None
) -> postgres.Postgres | None:
    if options.dsn is not None:
        return None
    data_dir = state.postgres_home / "data"
    return postgres.Postgres(installation, data_dir, state.ports[programs.POSTGRES], owner)


def _broker(options: UpOptions, root: Path, state: LocalState) -> kafka.Kafka | None:
    if options.kafka_bootstrap_servers is not None:
        return None
    return kafka.Kafka(
        jars=jars_dir(cache_dir()),
        home=root / "kafka",
        port=state.ports[programs.KAFKA],
        controller_port=state.ports[programs.KAFKA_CONTROLLER_PORT],
    )


def _worker(
    options: UpOptions,
    root: Path,
    state: LocalState,
    database: postgres.Postgres | None,
    broker: kafka.Kafka | None,
) -> connect.Connect | None:
    """Debezium in our publishers' place; it stands beside servers of the environment's own."""
    if options.publisher != DEBEZIUM or database is None or broker is None:
        return None
    password = credentials.database_password(root / "secrets")
    connect.keep_secrets(root / "secrets", postgres.ROLE, password)
    return connect.Connect(
        jars=jars_dir(cache_dir(), jars.DEBEZIUM),
        manifests=connect.MANIFESTS,
        home=root / programs.CONNECT,
        port=state.ports[programs.CONNECT],
        bootstrap_servers=broker.bootstrap_servers,
        database_port=database.port,
        database=postgres.DATABASE,
    )


def _our_ports(supervisor: Supervisor, state: LocalState) -> frozenset[int]:
    """The recorded ports, when our own daemon runs: then whoever listens there is ours."""
    if supervisor.pid() is None:
        return frozenset()
    return frozenset(state.ports.values())


def _environment(
    options: UpOptions,
    root: Path,
    state: LocalState,
    database: postgres.Postgres | None,
    broker: kafka.Kafka | None,
) -> Environment:
    """The addresses; processes are added when they are known."""

    def url(process: str) -> str:
        return f"http://127.0.0.1:{state.ports[process]}"

    own_twin = options.stripe_api_base is None
    passfile = root / "secrets" / credentials.PASSFILE
    return Environment(
        name=options.name,
        root=root,
        target="local",
        dsn=database.dsn(passfile) if database else options.dsn or "",
        kafka_bootstrap_servers=(
            broker.bootstrap_servers if broker else options.kafka_bootstrap_servers or ""
        ),
        stripe_api_base=options.stripe_api_base or url(programs.TWIN),
        stripe_control_url=url(programs.TWIN_CONTROL_PORT) if own_twin else None,
        orders_url=url("orders-service-http"),
        gateway_url=url("payments-gateway"),
        webhook_url=f"{url(programs.RECEIVER_PROCESS)}/stripe/webhook",
        mail_dir=root / "mail",
        tenant_id=TENANT_ID,
        processes=(),
        settings={
            "environment_id": state.id,
            "shadow_mode": "on" if options.shadow_mode else "off",
            "failpoints": "on" if options.failpoints else "off",
            "tap": "on" if options.tap else "off",
            "publisher": options.publisher,
            "stripe_shared": "on" if options.stripe_shared else "off",
            "twin_latency_ms": str(options.twin_latency_ms),
            "webhook_window_seconds": str(options.webhook_window_seconds),
        },
    )


def _addresses(
    options: UpOptions, environment: Environment, state: LocalState
) -> programs.Addresses:
    return programs.Addresses(
        name=environment.name,
        root=environment.root,
        dsn=environment.dsn,
        kafka_bootstrap_servers=environment.kafka_bootstrap_servers,
        stripe_api_base=environment.stripe_api_base,
        ports=state.ports,
        own_twin=environment.stripe_control_url is not None,
        twin_latency_ms=options.twin_latency_ms,
        webhook_window_seconds=options.webhook_window_seconds,
        shadow_mode=options.shadow_mode,
        publisher=options.publisher,
        failpoints=options.failpoints,
        tap_journal=environment.tap_journal,
        log_level=options.log_level,
        otlp_endpoint=options.otlp_endpoint,
    )


def _postgres_program(server: postgres.Postgres) -> programs.Program:
    return programs.Program(
        spec=ProcessSpec(programs.POSTGRES, programs.POSTGRES, server.port),
        command=tuple(server.command()),
        directory=Path("/"),
        tier=programs.Tier.DATABASE,
        user=server.owner.name if server.owner else None,
        # Fast shutdown: TERM would wait for every client to leave by itself.
        stop_signal="INT",
        stop_seconds=_STOP_SECONDS_SERVER,
    )


def _kafka_program(server: kafka.Kafka) -> programs.Program:
    return programs.Program(
        spec=ProcessSpec(programs.KAFKA, programs.KAFKA, server.port),
        command=tuple(server.command()),
        directory=server.home,
        tier=programs.Tier.BROKER,
        stop_seconds=_STOP_SECONDS_SERVER,
    )


def _connect_program(server: connect.Connect) -> programs.Program:
    return programs.Program(
        spec=ProcessSpec(programs.CONNECT, programs.CONNECT, server.port),
        command=tuple(server.command()),
        directory=server.home,
        tier=programs.Tier.SERVICE,
        stop_seconds=_STOP_SECONDS_SERVER,
    )
