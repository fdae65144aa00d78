"""Every process of a local environment, as data: command, environment, order, probe.

Nothing is started here. Secrets appear as paths of files only, so that the list may be written
down, compared and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from pathlib import Path
from typing import Final

from bookpayctl.targets.children import python_module
from bookpayctl.targets.environment import DEBEZIUM, ProcessSpec
from bookpayctl.targets.kafka_files import variables_of
from runtime.domain.names import PublisherMode, Service

POSTGRES: Final = "postgres"
KAFKA: Final = "kafka"
TWIN: Final = "stripe-twin"
TAP: Final = "stripe-tap"
MAIL: Final = "mail-sink"
CONNECT: Final = "kafka-connect"

KAFKA_CONTROLLER_PORT: Final = "kafka-controller"
TWIN_CONTROL_PORT: Final = "stripe-twin-control"

# Time-outs that nest, in seconds: one try at Stripe < the gateway's answer < the worker's HTTP
# call < the lease. Short, so that a drill sees a time-out without waiting for a minute.
DEADLINES: Final = {
    "BOOKPAY_STRIPE_TIMEOUT_SECONDS": "8",
    "BOOKPAY_GATEWAY_TIMEOUT_SECONDS": "10",
    "BOOKPAY_WORKER_HTTP_TIMEOUT_SECONDS": "12",
    "BOOKPAY_LEASE_SECONDS": "15",
}


OTLP_VARIABLE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Tier(IntEnum):
    """Who needs whom: a tier is stopped before the ones above it in this list."""

    DATABASE = 1
    BROKER = 2
    OUTSIDE = 3
    SERVICE = 4


class ReadinessProbe(Enum):
    """How a process is asked whether it is ready."""

    POSTGRES = auto()
    KAFKA = auto()
    SMTP = auto()
    LISTENS = auto()
    CONNECTOR = auto()
    READYZ = auto()


@dataclass(frozen=True, slots=True)
class Program:
    """One process, ready to be written into supervisor's configuration.

    Attributes:
        variables: beside those every process gets; never a secret's value.
        user: the system user to run as; None for the caller's.
        stop_seconds: how long it may take to stop before it is killed.
    """

    spec: ProcessSpec
    command: tuple[str, ...]
    directory: Path
    tier: Tier
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 12
    probe_port: int | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def probe(self) -> ReadinessProbe:
        return probe_of_process(self.spec.name)


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a service: its name and the arguments after `python -m runtime`."""

    name: str
    service: Service
    arguments: tuple[str, ...]


REPLICAS: Final = (
    Replica("orders-service-http", Service.ORDERS, ("--role", "http")),
    Replica("orders-service-consumer", Service.ORDERS, ("--role", "consumer")),
    *(Replica(f"outbox-publisher-{n}", Service.PUBLISHER, ()) for n in range(3)),
    *(Replica(f"payments-worker-{n}", Service.WORKER, ()) for n in range(2)),
    Replica("payments-gateway", Service.GATEWAY, ()),
    Replica("payments-webhook-receiver", Service.RECEIVER, ()),
    Replica("payments-reconciler", Service.RECONCILER, ()),
    Replica("notifier", Service.NOTIFIER, ()),
)

# An e-mail may wait: on two cores its path would otherwise take time from the payments.
LATER: Final = ("nice", "-n", "10")

RECEIVER_PROCESS: Final = "payments-webhook-receiver"

PORT_NAMES: Final = (
    *(POSTGRES, KAFKA, KAFKA_CONTROLLER_PORT, TWIN, TWIN_CONTROL_PORT, TAP, MAIL, CONNECT),
    *(replica.name for replica in REPLICAS),
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the processes are told, all of it known before anything runs.

    Attributes:
        root: the environment's folder.
        own_twin: whether Stripe is our twin, which then is one of the processes.
        publisher: how the outbox is published.
        tap_journal: where a recording tap writes; None when none stands before Stripe.
        otlp_endpoint: a collector of traces; None: the services make none.
    """

    name: str
    root: Path
    dsn: str
    kafka_bootstrap_servers: str
    stripe_api_base: str
    ports: Mapping[str, int]
    own_twin: bool
    twin_latency_ms: int
    webhook_window_seconds: int
    shadow_mode: bool
    failpoints: bool
    log_level: str
    publisher: str = PublisherMode.POLL.value
    tap_journal: Path | None = None
    otlp_endpoint: str | None = None

    @property
    def secrets_dir(self) -> Path:
        return self.root / "secrets"

    def url(self, process: str) -> str:
        return f"http://127.0.0.1:{self.ports[process]}"


def applications(addresses: Addresses) -> list[Program]:
    """Every process but the servers: twin, mail sink, services.

    Where Debezium publishes there is no publisher of ours: two would send every event twice.
    """
    captured = addresses.publisher == DEBEZIUM
    replicas = [one for one in REPLICAS if not (captured and one.service is Service.PUBLISHER)]
    twin = [_twin(addresses)] if addresses.own_twin else []
    tap = [_tap(addresses, addresses.tap_journal)] if addresses.tap_journal else []
    return [*twin, *tap, _mail_sink(addresses), *(_service(addresses, r) for r in replicas)]


def tier_of_process(name: str) -> Tier:
    """The tier of a process, from its name alone: all that `down` has."""
    tiers = {POSTGRES: Tier.DATABASE, KAFKA: Tier.BROKER}
    outside = Tier.OUTSIDE if name in (TWIN, TAP, MAIL) else Tier.SERVICE
    return tiers.get(name, outside)


def probe_of_process(name: str) -> ReadinessProbe:
    """How a process is asked, from its name alone: all that `status` has."""
    probes = {
        POSTGRES: ReadinessProbe.POSTGRES,
        KAFKA: ReadinessProbe.KAFKA,
        MAIL: ReadinessProbe.SMTP,
        # It answers nothing of its own: whatever is asked there is asked of Stripe.
        TAP: ReadinessProbe.LISTENS,
        CONNECT: ReadinessProbe.CONNECTOR,
    }
    return probes.get(name, ReadinessProbe.READYZ)


# What the receiver acts on. Stripe's advice is to listen to nothing else: each event that is only
# acknowledged costs the receiver a transaction.
RECEIVED_EVENTS: Final = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)


def _twin(addresses: Addresses) -> Program:
    """Our stand-in for Stripe; it signs its webhooks with the receiver's secret."""
    port, control = addresses.ports[TWIN], addresses.ports[TWIN_CONTROL_PORT]
    return Program(
        spec=ProcessSpec(TWIN, TWIN, port),
        command=(
            *python_module("bookpayctl.stripe_twin"),
            *("--port", str(port), "--control-port", str(control)),
            *("--data", str(addresses.root / "stripe-twin")),
            # Whoever else asks this twin first, the environment's key is of the account that has
            # its endpoint.
            *("--key-file", str(addresses.secrets_dir / "stripe-api-key")),
            *("--endpoint", f"{addresses.url(RECEIVER_PROCESS)}/stripe/webhook"),
            *("--secret-file", str(addresses.secrets_dir / "stripe-webhook-secret")),
            *(part for event in RECEIVED_EVENTS for part in ("--event", event)),
            *("--latency-ms", str(addresses.twin_latency_ms)),
        ),
        directory=addresses.root,
        tier=Tier.OUTSIDE,
        probe_port=control,
    )


def _tap(addresses: Addresses, journal: Path) -> Program:
    """The witness between the gateway and Stripe; it holds no key."""
    port = addresses.ports[TAP]
    return Program(
        spec=ProcessSpec(TAP, TAP, port),
        command=(
            *python_module("bookpayctl.stripe_tap"),
            *("--port", str(port), "--upstream", addresses.stripe_api_base),
            *("--journal", str(journal)),
        ),
        directory=addresses.root,
        tier=Tier.OUTSIDE,
    )


def _mail_sink(addresses: Addresses) -> Program:
    """A mail server that keeps every message in a Maildir. `-n`: it stays the user it is."""
    port = addresses.ports[MAIL]
    return Program(
        spec=ProcessSpec(MAIL, MAIL, port),
        command=(
            *LATER,
            *python_module("aiosmtpd", "-n", "-l", f"127.0.0.1:{port}"),
            *("-c", "bookpayctl.targets.servers.maildir.AsItCame", str(addresses.root / "mail")),
        ),
        directory=addresses.root,
        tier=Tier.OUTSIDE,
    )


def _service(addresses: Addresses, replica: Replica) -> Program:
    return Program(
        spec=ProcessSpec(replica.name, replica.service.value, addresses.ports[replica.name]),
        command=(
            *(LATER if replica.service is Service.NOTIFIER else ()),
            *python_module("runtime", replica.service.value, *replica.arguments),
        ),
        directory=addresses.root,
        tier=Tier.SERVICE,
        variables=_variables(addresses, replica),
    )


def _variables(addresses: Addresses, replica: Replica) -> dict[str, str]:
    """The environment of one service process: what all get, then what its service needs."""
    variables = {
        "DB_DSN": addresses.dsn,
        "KAFKA_BOOTSTRAP_SERVERS": addresses.kafka_bootstrap_servers,
        **variables_of(addresses.secrets_dir),
        "BOOKPAY_ENV": addresses.name,
        "BOOKPAY_PROCESS_NAME": replica.name,
        "BOOKPAY_HTTP_HOST": "127.0.0.1",
        "BOOKPAY_HTTP_PORT": str(addresses.ports[replica.name]),
        "BOOKPAY_RUN_DIR": str(addresses.root / "runs"),
        "BOOKPAY_LOG_LEVEL": addresses.log_level,
        **DEADLINES,
    }
    if addresses.failpoints:
        variables["BOOKPAY_FAILPOINTS"] = "on"
    if addresses.otlp_endpoint:
        variables[OTLP_VARIABLE] = addresses.otlp_endpoint
    return variables | _service_variables(addresses, replica.service)


def _service_variables(addresses: Addresses, service: Service) -> dict[str, str]:
    secrets_dir = addresses.secrets_dir
    gateway_token = {"GATEWAY_TOKEN_FILE": str(secrets_dir / "gateway-token")}
    gateway_client = {"GATEWAY_URL": addresses.url("payments-gateway"), **gateway_token}
    match service:
        case Service.GATEWAY:
            return {
                "STRIPE_API_BASE": (
                    addresses.url(TAP) if addresses.tap_journal else addresses.stripe_api_base
                ),
                "STRIPE_API_KEY_FILE": str(secrets_dir / "stripe-api-key"),
                "SHADOW_MODE": "on" if addresses.shadow_mode else "off",
                **gateway_token,
            }
        case Service.WORKER:
            return gateway_client
        case Service.RECONCILER:
            window = str(addresses.webhook_window_seconds)
            return {
                "BOOKPAY_WEBHOOK_WINDOW_SECONDS": window,
                "BOOKPAY_EVENT_WINDOW_SECONDS": window,
                "BOOKPAY_CHANGE_DATA_CAPTURE": ("on" if addresses.publisher == DEBEZIUM else "off"),
                **gateway_client,
            }
        case Service.RECEIVER:
            return {
                "STRIPE_WEBHOOK_SECRET_FILE": str(secrets_dir / "stripe-webhook-secret"),
                # A page in a browser can reach this port under a name of its own, not under these.
                "BOOKPAY_WEBHOOK_HOSTS": "127.0.0.1,localhost",
            }
        case Service.NOTIFIER:
            return {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(addresses.ports[MAIL])}
        case Service.PUBLISHER:
            return {"BOOKPAY_PUBLISHER_MODE": addresses.publisher}
        case Service.ORDERS:
            return {}
