"""The environment, read once at start into types that cannot be wrong.

Only this module names environment variables. A setting that is missing or malformed raises
`ConfigError`, whose one line names the variable and what it should hold; `__main__` prints it and
exits 2. Every secret `X` may be given as `X_FILE`, a path, which is preferred: files can be
rotated and do not show in a process listing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from runtime.domain.names import LIVE_KEY_PREFIXES, PublisherMode

OTLP: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


class ConfigError(ValueError):
    """A setting is missing or wrong; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings come from: a mapping, so that tests need no process environment."""

    values: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        # An empty variable counts as none: that is how a manifest takes one back.
        value = self.values.get(name) or default
        if value is None or not value.strip():
            raise ConfigError(f"{name} is not set")
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        raw = self.values.get(name) or str(default)
        try:
            value = float(raw)
        except ValueError:
            raise ConfigError(f"{name} must be a number, not {raw[:40]!r}") from None
        # Not a number is in no range, so this refuses it as well.
        if not least <= value <= most:
            raise ConfigError(f"{name} must be from {least:g} to {most:g}, not {value:g}")
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self.number(name, default, least=least, most=most)
        if value != int(value):
            raise ConfigError(f"{name} must be a whole number, not {value:g}")
        return int(value)

    def flag(self, name: str) -> bool:
        raw = (self.values.get(name) or "").lower()
        if raw in ("", "0", "off", "false", "no"):
            return False
        if raw in ("1", "on", "true", "yes"):
            return True
        # A misspelt word must not be off in silence: these switch shadow mode and drills.
        raise ConfigError(f"{name} must be on or off, not {raw[:40]!r}")

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        value = (self.values.get(name) or default).lower()
        if value not in allowed:
            raise ConfigError(f"{name} must be one of {', '.join(allowed)}, not {value[:40]!r}")
        return value

    def url(self, name: str, default: str | None = None) -> str:
        # Every caller appends a path that begins with a slash.
        value = self.text(name, default).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{name} must be an http(s) URL, not {value[:80]!r}")
        return value

    def secret(self, name: str) -> str:
        """The value of NAME_FILE's file, else of NAME; never empty."""
        # The file first: where both are given, the variable is what somebody forgot to remove.
        path = self.values.get(f"{name}_FILE")
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(f"{name}_FILE cannot be read: {error}") from error
            except UnicodeDecodeError:
                # Not chained: the error's own text would quote bytes of the secret.
                raise ConfigError(f"{name}_FILE is not UTF-8 text: {path}") from None
            if not value:
                raise ConfigError(f"{name}_FILE names an empty file: {path}")
            return value
        return self.text(name).strip()


@dataclass(frozen=True, slots=True)
class Common:
    """What every service needs.

    Attributes:
        process: stable across restarts; leases and log lines carry it.
        run_dir: where failpoint evidence goes when the database cannot take it.
        otlp_endpoint: the collector of traces; None: none are made.
    """

    process: str
    environment: str
    dsn: str
    http_host: str
    http_port: int
    failpoints: bool
    run_dir: Path | None
    log_level: str
    otlp_endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Time-outs that nest: Stripe try < gateway < worker HTTP < lease, in seconds."""

    stripe_seconds: float
    gateway_seconds: float
    worker_http_seconds: float
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    stripe_api_base: str
    stripe_api_key: str
    token: str
    default_payment_method: str
    threads: int
    deadlines: Deadlines
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class GatewayClientConfig:
    url: str
    token: str
    deadlines: Deadlines


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    gateway: GatewayClientConfig
    concurrency: int


@dataclass(frozen=True, slots=True)
class ReconcilerConfig:
    gateway: GatewayClientConfig
    webhook_window_seconds: float
    early_webhook_window_seconds: float
    event_window_seconds: float
    change_data_capture: bool = False


@dataclass(frozen=True, slots=True)
class OrdersConfig:
    """How many requests a second one tenant may make of one process, and how many at once."""

    rate_per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class NotifierConfig:
    smtp_host: str
    smtp_port: int
    mail_from: str


def common(source: Source, service: str, role: str | None) -> Common:
    """Settings of every service; a process without a name is named by what it is."""
    default_name = f"{service}-{role}" if role else service
    run_dir = source.values.get("BOOKPAY_RUN_DIR")
    return Common(
        # In a pod the host name is the pod's own: unique, and another with each new pod.
        process=source.text("BOOKPAY_PROCESS_NAME", source.values.get("HOSTNAME") or default_name),
        environment=source.text("BOOKPAY_ENV", "default"),
        dsn=dsn(source),
        http_host=source.text("BOOKPAY_HTTP_HOST", "0.0.0.0"),  # noqa: S104 - a pod's own address
        # Never 0, "any free port": no probe would find it.
        http_port=source.whole("BOOKPAY_HTTP_PORT", 8080, least=1, most=65535),
        failpoints=source.flag("BOOKPAY_FAILPOINTS"),
        run_dir=Path(run_dir) if run_dir else None,
        log_level=_log_level(source),
        otlp_endpoint=source.url(OTLP) if source.values.get(OTLP) else None,
    )


def _log_level(source: Source) -> str:
    # Checked here, where the message can name the variable.
    level = source.text("BOOKPAY_LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"BOOKPAY_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {level!r}")
    return level


def kafka_bootstrap_servers(source: Source) -> str:
    return source.text("KAFKA_BOOTSTRAP_SERVERS")


def kafka_security(source: Source) -> dict[str, str]:
    """How clients prove themselves to Kafka, in librdkafka's words; empty where nobody asks.

    A name goes over TLS alone: SCRAM hides the password, and not what is said afterwards.

    Raises:
        ConfigError: a name without a password, or an authority's file that is not there.
    """
    username = source.values.get("KAFKA_USERNAME") or ""
    authority = source.values.get("KAFKA_CA_FILE") or ""
    if authority and not Path(authority).is_file():
        raise ConfigError(f"KAFKA_CA_FILE names no file: {authority}")
    trust = {"ssl.ca.location": authority} if authority else {}
    if username:
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": username,
            "sasl.password": source.secret("KAFKA_PASSWORD"),
            **trust,
        }
    return {"security.protocol": "SSL", **trust} if authority else {}


def dsn(source: Source) -> str:
    """DB_DSN, checked here because a driver's complaint would quote it, password and all."""
    value = source.secret("DB_DSN")
    try:
        conninfo_to_dict(value)
    except ProgrammingError:
        raise ConfigError(
            "DB_DSN is not a connection string: postgresql://user@host:port/database"
        ) from None
    return value


def deadlines(source: Source) -> Deadlines:
    """Read the nest of time-outs and refuse one that does not nest."""
    named = [
        ("BOOKPAY_STRIPE_TIMEOUT_SECONDS", 30.0),
        ("BOOKPAY_GATEWAY_TIMEOUT_SECONDS", 35.0),
        ("BOOKPAY_WORKER_HTTP_TIMEOUT_SECONDS", 40.0),
        ("BOOKPAY_LEASE_SECONDS", 60.0),
    ]
    values = [source.number(name, default, least=0.1, most=3600) for name, default in named]
    # Each with the one that must outlast it.
    for (inner, _), (outer, _), small, large in zip(
        named, named[1:], values, values[1:], strict=False
    ):
        if not small < large:
            raise ConfigError(
                f"{outer} ({large:g}) must be greater than {inner} ({small:g}): "
                "a caller that gives up first cannot know what was done"
            )
    return Deadlines(*values)


def gateway(source: Source) -> GatewayConfig:
    """Settings of the gateway; the key is the one at its start."""
    return GatewayConfig(
        stripe_api_base=source.url("STRIPE_API_BASE", "https://api.stripe.com"),
        stripe_api_key=stripe_api_key(source),
        token=source.secret("GATEWAY_TOKEN"),
        default_payment_method=source.text("BOOKPAY_DEFAULT_PAYMENT_METHOD", "pm_card_visa"),
        # Each call holds a thread until Stripe answers: two workers send 128 at a time, and the
        # reconciler asks besides.
        threads=source.whole("BOOKPAY_GATEWAY_THREADS", 256, least=1, most=4096),
        deadlines=deadlines(source),
        shadow=source.flag("SHADOW_MODE"),
    )


def stripe_api_key(source: Source) -> str:
    """The key for Stripe; read anew on each call.

    Raises:
        ConfigError: there is none, or it is a live one.
    """
    key = source.secret("STRIPE_API_KEY")
    # Restricted keys as well: one that may create PaymentIntents takes real money.
    if key.startswith(LIVE_KEY_PREFIXES):
        raise ConfigError("STRIPE_API_KEY is a live key; only test keys are used here")
    return key


def gateway_client(source: Source) -> GatewayClientConfig:
    return GatewayClientConfig(
        url=source.url("GATEWAY_URL"),
        token=source.secret("GATEWAY_TOKEN"),
        deadlines=deadlines(source),
    )


def worker(source: Source) -> WorkerConfig:
    return WorkerConfig(
        gateway=gateway_client(source),
        # At 250 ms a call 64 are 256 charges a second, with room over the 200 promised.
        concurrency=source.whole("BOOKPAY_WORKER_CONCURRENCY", 64, least=1, most=1024),
    )


def reconciler(source: Source) -> ReconcilerConfig:
    def window_seconds(name: str) -> float:
        return source.number(name, 900, least=1, most=7 * 86400)

    return ReconcilerConfig(
        gateway=gateway_client(source),
        webhook_window_seconds=window_seconds("BOOKPAY_WEBHOOK_WINDOW_SECONDS"),
        early_webhook_window_seconds=window_seconds("BOOKPAY_PARKED_WEBHOOK_WINDOW_SECONDS"),
        event_window_seconds=window_seconds("BOOKPAY_EVENT_WINDOW_SECONDS"),
        change_data_capture=source.flag("BOOKPAY_CHANGE_DATA_CAPTURE"),
    )


def publisher_mode(source: Source) -> PublisherMode:
    """How the publisher learns of new rows."""
    modes = tuple(mode.value for mode in PublisherMode)
    return PublisherMode(source.choice("BOOKPAY_PUBLISHER_MODE", PublisherMode.POLL.value, modes))


def orders(source: Source) -> OrdersConfig:
    """Settings of the orders API; the defaults stop a runaway client, not a busy one."""
    return OrdersConfig(
        rate_per_second=source.number("BOOKPAY_ORDERS_RATE_PER_SECOND", 1000, least=0.01, most=1e6),
        burst=source.whole("BOOKPAY_ORDERS_BURST", 2000, least=1, most=1_000_000),
    )


def webhook_hosts(source: Source) -> frozenset[str]:
    """The names the receiver answers to, in lower case and without ports; none means any."""
    names = (source.values.get("BOOKPAY_WEBHOOK_HOSTS") or "").split(",")
    return frozenset(name.strip().lower() for name in names if name.strip())


def notifier(source: Source) -> NotifierConfig:
    return NotifierConfig(
        smtp_host=source.text("SMTP_HOST"),
        smtp_port=source.whole("SMTP_PORT", 25, least=1, most=65535),
        mail_from=source.text("BOOKPAY_MAIL_FROM", "orders@bookpay.example"),
    )


def webhook_secrets(source: Source) -> tuple[str, ...]:
    """Every active signing secret: one a line or comma-separated; read anew on each call.

    Raises:
        ConfigError: there is none, or one is empty: an empty key would make every forgery valid.
    """
    raw = source.secret("STRIPE_WEBHOOK_SECRET")
    # Both separators: a mounted file has lines, a variable cannot.
    secrets = tuple(part.strip() for line in raw.splitlines() for part in line.split(","))
    if not secrets or not all(secrets):
        raise ConfigError("STRIPE_WEBHOOK_SECRET holds an empty secret")
    return secrets
