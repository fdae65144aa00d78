"""An environment as the tool knows it: where it lives and how to reach each part.

One JSON file, `.bookpay/NAME/environment.json`, written atomically by `up` and read by every
other command. It holds addresses and paths only: secrets lie in files of mode 0600 beside it and
are read when they are used, so this file may be shown to anyone.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.runs.files import write_atomically
from bookpayctl.targets.kafka_files import proof_in

ENVIRONMENT_FILE: Final = "environment.json"
DEFAULT_NAME: Final = "default"
WEBHOOK_WINDOW_SECONDS: Final = 900

DEBEZIUM: Final = "debezium"
"""Who publishes where our own publishers do not: Debezium's connector, by change data capture."""


class EnvironmentMissingError(RuntimeError):
    """No environment of that name; the message says how to make one."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One supervised process.

    Attributes:
        name: unique in the environment, `<service>-<role or number>`, also the supervisor name.
        service: the service name of design, or postgres, kafka, stripe-twin, mail-sink.
        port: where its HTTP or admin server (or, for servers, its protocol) listens on 127.0.0.1.
    """

    name: str
    service: str
    port: int | None


@dataclass(frozen=True, slots=True)
class Environment:
    """Addresses of a local environment; every secret is a path.

    Attributes:
        dsn: libpq URI without a password; the password file is named in it.
        webhook_url: the full address of /stripe/webhook.
        stripe_control_url: the twin's control API; None when Stripe is not the twin.
        processes: those that it was brought up with; which there are now, its target says.
        way_to_kafka: of this command, into a cluster; never written down.
    """

    name: str
    root: Path
    target: str
    dsn: str
    kafka_bootstrap_servers: str
    stripe_api_base: str
    stripe_control_url: str | None
    orders_url: str
    gateway_url: str
    webhook_url: str
    mail_dir: Path
    tenant_id: str
    processes: tuple[ProcessSpec, ...]
    psql_dir: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)
    way_to_kafka: KafkaServers | None = None

    @property
    def webhook_window_seconds(self) -> float:
        """How long a webhook is waited for; of a stack that does not say, as the runtime has it."""
        return float(self.settings.get("webhook_window_seconds") or WEBHOOK_WINDOW_SECONDS)

    @property
    def captured(self) -> bool:
        """Whether events leave the outbox by change data capture: none is ever marked published."""
        return self.settings.get("publisher") == DEBEZIUM

    @property
    def kafka(self) -> KafkaServers:
        """Kafka as every client of this tool dials it, with what the broker asks for."""
        if self.way_to_kafka is not None:
            return self.way_to_kafka
        return KafkaServers(self.kafka_bootstrap_servers, proof_in(self.secrets_dir).security)

    @property
    def endpoint_url(self) -> str:
        """The receiver's address as Stripe knows it, which need not be the one it has from here."""
        return self.settings.get("endpoint_url", self.webhook_url)

    @property
    def stripe_name(self) -> str:
        """Which Stripe it is, for a person: `twin`, or the address of another."""
        return "twin" if self.stripe_control_url else self.stripe_api_base

    @property
    def tap_journal(self) -> Path | None:
        """What the recording tap wrote between the gateway and Stripe; None where none stands."""
        if self.settings.get("tap") != "on":
            return None
        return self.root / "stripe-tap" / "journal.jsonl"

    @property
    def logs_dir(self) -> Path:
        return self.root / "logs"

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"

    @property
    def secrets_dir(self) -> Path:
        return self.root / "secrets"

    def secret(self, name: str) -> str:
        """Read one secret file, e.g. `orders-token`, without its newline.

        Raises:
            EnvironmentMissingError: the file is not there, so the environment is not whole.
        """
        path = self.secrets_dir / name
        try:
            return path.read_text().strip()
        except FileNotFoundError as error:
            raise EnvironmentMissingError(
                f"secret {name!r} of environment {self.name!r} is missing; run `bookpayctl up"
                f" --name {self.name}` to make it again"
            ) from error


def environments_dir(start: Path | None = None) -> Path:
    """The `.bookpay` folder: $BOOKPAY_HOME, else the one in the working directory."""
    configured = os.environ.get("BOOKPAY_HOME")
    return Path(configured) if configured else (start or Path.cwd()) / ".bookpay"


def environment_root(name: str) -> Path:
    """The absolute folder of environment `name`, whether or not it exists."""
    return (environments_dir() / name).absolute()


def is_within_an_environment(path: Path) -> bool:
    """Whether a path lies in the folder of any environment, whatever its name."""
    return any(
        (folder / ENVIRONMENT_FILE).is_file() and (folder / "secrets").is_dir()
        for folder in path.resolve().parents
    )


def load(name: str) -> Environment:
    """Read environment `name`.

    Raises:
        EnvironmentMissingError: there is none, or its file cannot be read.
    """
    return load_from(environment_root(name), name)


def load_from(root: Path, name: str) -> Environment:
    """Read the environment in `root`; its name is for the message.

    Raises:
        EnvironmentMissingError: as above.
    """
    path = root / ENVIRONMENT_FILE
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise EnvironmentMissingError(
            f"no environment {name!r} here; bring one up with `bookpayctl up --name {name}`"
        ) from error
    except json.JSONDecodeError as error:
        raise EnvironmentMissingError(
            f"{path} is not valid JSON ({error}); `bookpayctl up --name {name}` writes it anew"
        ) from error
    return Environment(
        **{
            **document,
            "root": Path(document["root"]),
            "mail_dir": Path(document["mail_dir"]),
            "psql_dir": Path(document["psql_dir"]) if document["psql_dir"] else None,
            "processes": tuple(ProcessSpec(**entry) for entry in document["processes"]),
        }
    )


def remove(root: Path) -> None:
    """Remove an environment's folder with everything in it; harmless when there is none."""
    shutil.rmtree(root, ignore_errors=not root.exists())


def save(environment: Environment) -> None:
    """Write the file atomically: a reader sees the old or the new one, never half of it."""
    found = asdict(replace(environment, way_to_kafka=None))
    del found["way_to_kafka"]
    document = json.dumps(found, indent=2, default=str)
    environment.root.mkdir(parents=True, exist_ok=True)
    write_atomically(environment.root / ENVIRONMENT_FILE, document)
