"""One Kafka Connect worker with Debezium's connector on the outbox: its settings, its command line.

Worker and connector are those of manifests/components/debezium, read from there: only what a
machine has differently (addresses, one process, one replica) is said here. The worker runs alone
and keeps its position in a file of its folder; paths in its settings are relative to that folder,
so the process must run in it. Starting and stopping is the caller's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bookpayctl.runs.files import SECRET, write_atomically
from bookpayctl.targets.servers.jars import DEBEZIUM, class_path
from bookpayctl.targets.servers.kafka import LOOPBACK, java_program

MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
"""In the package, in a clone as in an installed wheel."""

COMPONENT: Final = Path("components") / "debezium"
"""Below manifests/: the one truth about the worker, the connector and its topic."""

CONNECTOR: Final = "outbox-cdc"
SECRETS_FILE: Final = "debezium.properties"
"""In the environment's secrets: the user that reads the log, and the password."""

_WORKER_FILE: Final = "worker.properties"
_CONNECTOR_FILE: Final = "connector.json"
_OFFSETS_FILE: Final = "offsets"

# Often, because a look that waits for the slot to pass a place waits for the next of these.
_HEARTBEAT_MS: Final = 1_000

_JVM: Final = (
    "-Xms128m",
    # As the pod's.
    "-Xmx768m",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    # Better dead and restarted than alive and out of memory.
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Djava.io.tmpdir=tmp",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
)


@dataclass(frozen=True, slots=True)
class Connect:
    """One worker.

    Attributes:
        jars: the folder with every jar of `DEBEZIUM`.
        manifests: the folder of the manifests.
        home: its folder, directly in the environment's; settings, position and temporary files.
        port: of its REST interface, on 127.0.0.1 alone.
        settings: of the connector, beside those of the manifests; for whoever measures.
    """

    jars: Path
    manifests: Path
    home: Path
    port: int
    bootstrap_servers: str
    database_port: int
    database: str
    settings: Mapping[str, str] | None = None

    def command(self) -> list[str]:
        """How to run it in the foreground, with `home` as the working directory."""
        worker, connector = worker_settings(self), connector_settings(self)
        # A worker reads its files once: one whose files changed shall be started again, and whoever
        # compares command lines has to see it.
        text = json.dumps([worker, connector], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return [
            str(java_program()),
            *_JVM,
            f"-Dbookpay.settings={digest}",
            *("-cp", class_path(self.jars, DEBEZIUM)),
            "org.apache.kafka.connect.cli.ConnectStandalone",
            *(_WORKER_FILE, _CONNECTOR_FILE),
        ]


def prepare(server: Connect) -> None:
    """Write the settings; the worker's position stays."""
    server.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (server.home / "tmp").mkdir(exist_ok=True)
    lines = [f"{name}={value}\n" for name, value in worker_settings(server).items()]
    head = "# Written by bookpayctl at every `up`; edits here are lost.\n"
    write_atomically(server.home / _WORKER_FILE, head + "".join(lines), mode=SECRET)
    document = {"name": CONNECTOR, "config": connector_settings(server)}
    write_atomically(server.home / _CONNECTOR_FILE, json.dumps(document, indent=2), mode=SECRET)


def keep_secrets(secrets_dir: Path, user: str, password: str) -> None:
    """Write who reads the log where the worker looks it up.

    The password is one of ours, of letters, digits, `-` and `_`: nothing in it has to be escaped.
    """
    text = f"username={user}\npassword={password}\n"
    write_atomically(secrets_dir / SECRETS_FILE, text, mode=SECRET)


def worker_settings(server: Connect) -> dict[str, str]:
    """The worker's: converters and the like of the manifests, and what is this machine's."""
    (worker,) = (
        document
        for document in _documents(server.manifests, "connect.yaml")
        if document["kind"] == "KafkaConnect"
    )
    found = {
        name: _text(value)
        for name, value in worker["spec"]["config"].items()
        # A worker that is alone has no topics of its own, and its secrets are files.
        if not name.startswith("config.providers") and not name.endswith("replication.factor")
    }
    return found | {
        "bootstrap.servers": server.bootstrap_servers,
        "listeners": f"http://{LOOPBACK}:{server.port}",
        "offset.storage.file.filename": _OFFSETS_FILE,
        "config.providers": "secrets",
        "config.providers.secrets.class": (
            "org.apache.kafka.common.config.provider.FileConfigProvider"
        ),
        # Written although it is the default: an event is sent when every copy has it.
        "producer.acks": "all",
    }


def connector_settings(server: Connect) -> dict[str, str]:
    """The connector's: those of the manifests, but for where the database is and who reads it."""
    connector = _connector(server.manifests)
    secrets = f"../secrets/{SECRETS_FILE}"
    return {
        "connector.class": connector["spec"]["class"],
        "tasks.max": str(connector["spec"]["tasksMax"]),
        **{name: _text(value) for name, value in connector["spec"]["config"].items()},
        "database.hostname": LOOPBACK,
        "database.port": str(server.database_port),
        "database.dbname": server.database,
        "database.user": f"${{secrets:{secrets}:username}}",
        "database.password": f"${{secrets:{secrets}:password}}",
        # Our own database speaks no TLS, and nobody else hears 127.0.0.1.
        "database.sslmode": "disable",
        "heartbeat.interval.ms": str(_HEARTBEAT_MS),
        **(server.settings or {}),
    }


def slot_name(manifests: Path) -> str:
    """The replication slot that the connector makes."""
    return str(_connector(manifests)["spec"]["config"]["slot.name"])


def publication_statement(manifests: Path) -> str:
    """The statement that makes the publication, which the connector itself does not."""
    (publication,) = (
        document["spec"]
        for document in _documents(manifests, "database.yaml")
        if document["kind"] == "Publication"
    )
    (table,) = (entry["table"] for entry in publication["target"]["objects"])
    return (
        f"CREATE PUBLICATION {publication['name']} FOR TABLE"
        f" {'ONLY ' * table['only']}{table['schema']}.{table['name']}"
        f" WITH (publish = '{publication['parameters']['publish']}')"
    )


def publication_name(manifests: Path) -> str:
    """The publication that the connector reads."""
    return str(_connector(manifests)["spec"]["config"]["publication.name"])


def topics(manifests: Path) -> dict[str, dict[str, str]]:
    """Topics of Debezium's own, with their settings: without them its task waits for ever."""
    return {
        document["spec"]["topicName"]: {
            name: _text(value) for name, value in document["spec"]["config"].items()
        }
        for document in _documents(manifests, "connector.yaml")
        if document["kind"] == "KafkaTopic"
    }


def _connector(manifests: Path) -> dict[str, Any]:
    (found,) = (
        document
        for document in _documents(manifests, "connector.yaml")
        if document["kind"] == "KafkaConnector"
    )
    return found


def _documents(manifests: Path, name: str) -> list[dict[str, Any]]:
    text = (manifests / COMPONENT / name).read_text()
    return [document for document in yaml.safe_load_all(text) if document]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
