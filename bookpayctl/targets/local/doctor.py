"""What could stop `up` on this machine, found before it does.

Each examination looks at one thing and returns a finding with what is required, what is there and
what to do. Nothing is changed, except for probe files that are removed at once.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from bookpayctl.targets import children
from bookpayctl.targets.credentials import STRIPE_KEY
from bookpayctl.targets.environment import DEBEZIUM
from bookpayctl.targets.local.machine import cgroup, ports
from bookpayctl.targets.local.machine.paths import PathRefusedError
from bookpayctl.targets.local.machine.state import load_state, sockets_dir
from bookpayctl.targets.local.options import check_paths
from bookpayctl.targets.local.ownership import servers
from bookpayctl.targets.local.ownership.claim import (
    OwnedByAnotherError,
    OwnershipUnknownError,
    claimant,
)
from bookpayctl.targets.local.plan import UpOptions, recorded_environment
from bookpayctl.targets.local.supervise.programs import PORT_NAMES
from bookpayctl.targets.platform import Examination, ExaminationResult
from bookpayctl.targets.servers import free_ports, jars, kafka, owner, postgres

_GIB: Final = 2**30
_MIB: Final = 2**20

# Kafka 350 MB, eleven Python processes of about 70 MB, PostgreSQL 150 MB, the twin.
MEMORY_BYTES_MIN: Final = 1_400 * _MIB

# A Kafka Connect worker with Debezium, in the place of three publishers.
CONNECT_BYTES: Final = 700 * _MIB

# A fresh environment takes 150 MB, the cache 50; a night of drills writes some hundreds.
DISK_BYTES_MIN: Final = 1 * _GIB

# Every thread counts: Kafka alone has about a hundred.
TASKS_MIN: Final = 600

OPEN_FILES_MIN: Final = 1024

_PACKAGES: Final = ("aiosmtpd", "confluent_kafka", "jgo", "psycopg", "supervisor", "uvicorn")


def examine(
    root: Path, *, webhook_port: int | None, options: Callable[[], UpOptions]
) -> list[Examination]:
    """Look at everything; one examination that cannot be made does not stop the others.

    Args:
        options: reads what `up` would take, for the existing servers among it.
    """
    examinations: list[Callable[[], Examination]] = [
        _python,
        _packages,
        _database_user,
        _postgres_runs,
        _java_runs,
        lambda: _cache(jars.KAFKA),
        lambda: _debezium(options()),
        lambda: _disk(root),
        lambda: _memory(options()),
        _processors,
        _tasks,
        _open_files,
        lambda: _ports(webhook_port),
        _temporary_folder,
        lambda: _paths(root),
        lambda: _environment_folder(root),
        lambda: _existing_servers(root, options()),
    ]
    return [_careful(examination) for examination in examinations]


def _careful(examination: Callable[[], Examination]) -> Examination:
    try:
        return examination()
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        subject = examination.__name__.strip("_").replace("_", " ")
        return Examination(
            subject, ExaminationResult.UNKNOWN, "to be examined", f"cannot be: {error}"
        )


def _judge(subject: str, *, ok: bool, required: str, observed: str, fix: str) -> Examination:
    result = ExaminationResult.OK if ok else ExaminationResult.FAILED
    return Examination(subject, result, required, observed, "" if ok else fix)


def _python() -> Examination:
    return _judge(
        "python",
        ok=sys.version_info >= (3, 11),
        required="3.11 or newer",
        observed=platform.python_version(),
        fix="make setup PYTHON=python3.11",
    )


def _packages() -> Examination:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    return _judge(
        "packages",
        ok=not missing,
        required="all installed",
        observed=f"missing: {', '.join(missing)}" if missing else "all installed",
        fix="make setup",
    )


def _database_user() -> Examination:
    """PostgreSQL looks its user up by number and refuses one without a name."""
    required = "a named user who is not root"
    try:
        user = owner.database_owner(os.environ)
        observed = user.name if user else pwd.getpwuid(os.geteuid()).pw_name
    except owner.OwnerError as error:
        fix = f"export {owner.USER_VARIABLE}=<an unprivileged user>"
        return Examination("database user", ExaminationResult.FAILED, required, str(error), fix)
    except KeyError:
        observed = f"uid {os.geteuid()} has no name"
        fix = "add the user to /etc/passwd, e.g. run the container with a user it knows"
        return Examination("database user", ExaminationResult.FAILED, required, observed, fix)
    return Examination("database user", ExaminationResult.OK, required, observed)


def _postgres_runs() -> Examination:
    return _program_runs(
        "postgresql", [str(postgres.wheel_installation() / "bin" / "postgres"), "-V"]
    )


def _java_runs() -> Examination:
    return _program_runs("java", [str(kafka.java_program()), "--version"])


def _program_runs(subject: str, command: list[str]) -> Examination:
    """The wheels carry programs for one kind of machine; starting one shows whether it is ours."""
    done = subprocess.run(
        command,
        env=children.variables(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    lines = (done.stdout or done.stderr).splitlines() or [f"exit {done.returncode}"]
    return _judge(
        subject,
        ok=done.returncode == 0,
        required="runs on this machine",
        observed=lines[0],
        fix=f"this is {platform.platform()}; the wheels need Linux x86-64 or arm64 with glibc",
    )


def _cache(wanted: jars.JarSet) -> Examination:
    folder = jars.jars_dir(jars.cache_dir(), wanted)
    subject, required = f"{wanted.name} jars", "verified in the cache, or the network once"
    if folder.is_dir() and jars.is_verified(folder, wanted):
        return Examination(subject, ExaminationResult.OK, required, f"verified in {folder}")
    return Examination(
        *(subject, ExaminationResult.WARNING, required, "not in the cache"),
        f"the next `up` downloads {wanted.size_mb} MB; offline, set {jars.CACHE_VARIABLE} to a"
        " filled cache",
    )


def _debezium(given: UpOptions) -> Examination:
    """Of the worker that publishes in our publishers' place, where one is asked for."""
    if given.publisher == DEBEZIUM:
        return _cache(jars.DEBEZIUM)
    required = f"only with --publisher {DEBEZIUM}"
    return Examination("debezium jars", ExaminationResult.OK, required, "not needed")


def _disk(root: Path) -> Examination:
    folder = next(parent for parent in (root, *root.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    return _judge(
        "disk",
        ok=free >= DISK_BYTES_MIN,
        required=f"{DISK_BYTES_MIN / _GIB:.1f} GiB free",
        observed=f"{free / _GIB:.1f} GiB free at {folder}",
        fix="free some, or set BOOKPAY_HOME to a folder on another disk",
    )


def _memory(given: UpOptions) -> Examination:
    least = MEMORY_BYTES_MIN + (CONNECT_BYTES if given.publisher == DEBEZIUM else 0)
    machine = psutil.virtual_memory().available
    allowed = cgroup.memory_available_bytes()
    available = machine if allowed is None else min(machine, allowed)
    where = "" if allowed is None else ", limited by the cgroup" * (allowed < machine)
    return _judge(
        "memory",
        ok=available >= least,
        required=f"{least / _GIB:.1f} GiB available",
        observed=f"{available / _GIB:.1f} GiB available{where}",
        fix="stop something, or give the container more memory",
    )


def _processors() -> Examination:
    allowed = cgroup.processors()
    there = float(len(os.sched_getaffinity(0)))
    processors = there if allowed is None else min(there, allowed)
    enough = processors >= 2
    return Examination(
        *("processors", ExaminationResult.OK if enough else ExaminationResult.WARNING),
        *("2", f"{processors:g}"),
        "" if enough else "`up` will be slow: raise its --timeout",
    )


def _tasks() -> Examination:
    limits = [cgroup.tasks_available()]
    soft, _hard = resource.getrlimit(resource.RLIMIT_NPROC)
    # The limit counts per user and does not hold for root.
    limits.append(None if soft == resource.RLIM_INFINITY or os.geteuid() == 0 else soft)
    known = [limit for limit in limits if limit is not None]
    return _judge(
        "tasks",
        ok=not known or min(known) >= TASKS_MIN,
        required=f"{TASKS_MIN} processes and threads",
        observed=str(min(known)) if known else "no limit",
        fix="raise pids.max of the container, or `ulimit -u`",
    )


def _open_files() -> Examination:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = soft if hard == resource.RLIM_INFINITY else max(soft, hard)
    return _judge(
        "open files",
        ok=most >= OPEN_FILES_MIN,
        required=str(OPEN_FILES_MIN),
        observed=f"{soft}, can be raised to {most}",
        fix="ulimit -n 4096",
    )


def _ports(webhook_port: int | None) -> Examination:
    """Ports are searched for, so only a range that is nearly full stops `up`, or a pinned one."""
    if webhook_port is not None and not free_ports.is_free(webhook_port):
        return Examination(
            *("ports", ExaminationResult.WARNING, f"{webhook_port} free"),
            f"taken by {ports.holder(webhook_port)}",
            "fine if that is this environment's receiver; else choose another --webhook-port",
        )
    sample = range(free_ports.LOWEST, free_ports.HIGHEST + 1, 97)
    free = sum(free_ports.is_free(port) for port in sample)
    return _judge(
        "ports",
        ok=free * 97 >= len(PORT_NAMES) * 10,
        required=f"{len(PORT_NAMES)} free of {free_ports.LOWEST} to {free_ports.HIGHEST}",
        observed=f"{free} of {len(sample)} tried are free",
        fix="stop what listens there: `ss -ltnp`",
    )


def _temporary_folder() -> Examination:
    """supervisor's socket lies there: its path has to be short, so TMPDIR is not asked."""
    folder = sockets_dir()
    return _judge(
        "temporary folder",
        ok=os.access(folder, os.W_OK | os.X_OK),
        required="writable",
        observed=str(folder),
        fix=f"chmod 1777 {folder}",
    )


def _paths(root: Path) -> Examination:
    """Paths that go into other programs' syntax."""
    required = "readable for every program that is given one"
    try:
        check_paths(root, own_broker=True)
    except PathRefusedError as error:
        return Examination("paths", ExaminationResult.FAILED, required, str(error), error.fix)
    return Examination("paths", ExaminationResult.OK, required, "they are")


def _environment_folder(root: Path) -> Examination:
    folder = next(parent for parent in (root, *root.parents) if parent.exists())
    return _judge(
        "environment folder",
        ok=os.access(folder, os.W_OK | os.X_OK),
        required="writable",
        observed=str(root),
        fix="choose another with BOOKPAY_HOME, or run as its owner",
    )


def _existing_servers(root: Path, given: UpOptions) -> Examination:
    """Whose the servers are that are not this environment's own; `up` is refused on another's."""
    subject, required = "existing servers", "nobody else's"
    shared = servers.shared_servers(
        given.dsn,
        given.kafka,
        given.stripe_api_base,
        recorded_environment(root, given.name),
    )
    if not shared.state_keys():
        return Examination(subject, ExaminationResult.OK, required, "none; `up` brings its own")
    state = load_state(root)
    # An environment that was never up owns nothing.
    ours = claimant(state.id if state else "", given.name, root)
    key = given.given_secrets.get(STRIPE_KEY, "")
    try:
        _, note = servers.look(shared, ours, key)
    except OwnedByAnotherError as error:
        return Examination(subject, ExaminationResult.FAILED, required, str(error), error.fix)
    except OwnershipUnknownError as error:
        return Examination(subject, ExaminationResult.UNKNOWN, required, str(error), error.fix)
    if note:
        return Examination(subject, ExaminationResult.WARNING, required, note)
    return Examination(subject, ExaminationResult.OK, required, ", ".join(shared.state_keys()))
