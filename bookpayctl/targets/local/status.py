"""What runs, asked now: supervisor, every process itself, the broker, the database.

All are asked at once, each with its own deadline, so that one that hangs costs seconds, not more.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bookpayctl.targets.asked import lags_of, ledger_of, status_of
from bookpayctl.targets.environment import Environment, ProcessSpec
from bookpayctl.targets.local.machine import leftovers
from bookpayctl.targets.local.machine.state import StateError, load_state, socket_path
from bookpayctl.targets.local.supervise.configuration import LOG_FILE
from bookpayctl.targets.local.supervise.diverted import PROXY_PREFIX
from bookpayctl.targets.local.supervise.endings import restarts
from bookpayctl.targets.local.supervise.programs import TWIN, probe_of_process
from bookpayctl.targets.local.supervise.supervisor import (
    ProcessInfo,
    Supervisor,
    SupervisorError,
)
from bookpayctl.targets.local.supervise.waiting import Targets, probe
from bookpayctl.targets.readiness import ASK_ONCE_SECONDS_MAX, ReadinessAnswer
from bookpayctl.targets.status import ProcessStatus, Status, UnknownFact
from runtime.domain.names import TOPICS_OF_GROUP

# A service and its role: only the consumers of orders-service are in its group.
_NOT_IN_GROUP = frozenset({"orders-service-http"})


def read_status(environment: Environment) -> Status:
    """Ask everybody. Never raises for a part that is down or mute: that is the answer."""
    with ThreadPoolExecutor(max_workers=len(environment.processes) + 3) as pool:
        probes = {
            spec.name: pool.submit(probe_process, environment, spec)
            for spec in environment.processes
        }
        lags = pool.submit(lags_of, environment)
        ledger = pool.submit(ledger_of, environment)
        infos = pool.submit(_infos, environment)
        counts = _restarts(environment)
        processes = tuple(
            _process(spec, infos.result(), probes[spec.name].result(), counts, lags.result())
            for spec in environment.processes
        )
        facts = ledger.result()
    return status_of(
        environment,
        processes,
        facts,
        _notes(environment, infos.result()),
    )


def _infos(environment: Environment) -> dict[str, ProcessInfo] | None:
    """Name -> what supervisor knows; None when it does not run."""
    try:
        supervisor = Supervisor(socket_path(environment.root))
        return {info.name: info for info in supervisor.processes()}
    except (SupervisorError, StateError):
        return None


def probe_process(environment: Environment, spec: ProcessSpec) -> ReadinessAnswer:
    """Ask one process of an environment whether it is ready, once."""
    port = spec.port or 0
    if spec.service == TWIN and environment.stripe_control_url is not None:
        port = int(environment.stripe_control_url.rpartition(":")[2])
    targets = Targets(environment.dsn, environment.kafka_bootstrap_servers, environment.logs_dir)
    return probe(probe_of_process(spec.name), port, targets, seconds=ASK_ONCE_SECONDS_MAX)


def _restarts(environment: Environment) -> dict[str, int] | UnknownFact:
    try:
        return restarts((environment.logs_dir / LOG_FILE).read_text(errors="replace"))
    except OSError as error:
        return UnknownFact(str(error))


def _process(
    spec: ProcessSpec,
    infos: dict[str, ProcessInfo] | None,
    answer: ReadinessAnswer,
    counts: dict[str, int] | UnknownFact,
    lags: dict[str, int] | UnknownFact,
) -> ProcessStatus:
    info = infos.get(spec.name) if infos is not None else None
    lag: int | UnknownFact | None = None
    if spec.service in TOPICS_OF_GROUP and spec.name not in _NOT_IN_GROUP:
        lag = lags if isinstance(lags, UnknownFact) else lags[spec.service]
    return ProcessStatus(
        name=spec.name,
        service=spec.service,
        state=_state(info),
        pid=info.pid if info else None,
        uptime_seconds=time.time() - info.started_at if info and info.pid else None,
        restarts=counts if isinstance(counts, UnknownFact) else counts.get(spec.name, 0),
        port=spec.port,
        ready=_ready(info, answer),
        detail=answer.detail,
        lag=lag,
    )


def _state(info: ProcessInfo | None) -> str:
    if info is None:
        return "stopped"
    # It runs; `starting` only means that supervisor has not seen it run for a second yet.
    return "running" if info.state in ("RUNNING", "STARTING") else info.state.lower()


def _ready(info: ProcessInfo | None, answer: ReadinessAnswer) -> bool | UnknownFact:
    """A process that does not run is not ready; one that runs and is mute is unknown."""
    if info is None or info.pid is None:
        return False
    return UnknownFact(answer.detail) if answer.ready is None else answer.ready


def _notes(environment: Environment, infos: dict[str, ProcessInfo] | None) -> tuple[str, ...]:
    state = load_state(environment.root)
    if infos is not None:
        proxies = [name for name in infos if name.startswith(PROXY_PREFIX)]
        led = f"links led through {', '.join(proxies)}; `bookpayctl recover`, or `up`, ends that"
        return (led,) if proxies else ()
    if state is None:
        return ()
    orphans = leftovers.find(state.id, state.postgres_home / "data")
    if not orphans:
        return ("not running; `bookpayctl up` starts it",)
    pids = ", ".join(str(process.pid) for process in orphans)
    return (f"supervisor is gone and processes {pids} run without it; `bookpayctl up` recovers",)
