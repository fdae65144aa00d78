"""Settings of an environment, each with the place it came from.

A flag beats an environment variable, that beats `bookpay.toml`, that beats the default. The list
below is all there is: an unknown key in the file is an error, because a misspelt setting that is
silently ignored is worse than none.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.targets.environment import DEBEZIUM, DEFAULT_NAME
from bookpayctl.targets.suppressions import (
    SECTION,
    Suppression,
    SuppressionError,
    suppressions_in,
)
from runtime.domain.names import PublisherMode

CONFIG_FILE: Final = "bookpay.toml"
CONFIG_VARIABLE: Final = "BOOKPAY_CONFIG"

# The source of what was typed.
FLAG: Final = "flag"

# The source of what nobody has said.
DEFAULT: Final = "default"

NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")

# Nothing here takes a day. It also keeps out `inf`, which is a number to Python.
_SECONDS_MAX: Final = 86_400.0

PUBLISHERS: Final = (*(mode.value for mode in PublisherMode), DEBEZIUM)
"""Who publishes the outbox, and how."""

_DURATION: Final = re.compile(
    r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)


class SettingsError(ValueError):
    """A setting is wrong; the message names it, its source and what it should be."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `key` in bookpay.toml, `--key-with-dashes` as a flag.

    Attributes:
        other_flag: the flag where it is another; empty where there is none.
    """

    key: str
    default: str
    meaning: str
    other_flag: str | None = None

    @property
    def variable(self) -> str:
        return f"BOOKPAY_{self.key.upper()}"

    @property
    def flag(self) -> str:
        """What is typed at `up` or `down`; empty when it cannot be typed."""
        if self.other_flag is not None:
            return self.other_flag
        return f"--{self.key.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Value:
    """What holds, and why: `flag`, `environment`, the file's path, or `default`."""

    text: str
    source: str


SETTINGS: Final = (
    Setting("name", DEFAULT_NAME, "environment, [a-z0-9-], 31 characters at most"),
    Setting("on", "", "where it lives: local, kind or kube; empty: where it is, else local"),
    Setting("webhook_port", "", "port of the webhook receiver; empty: a free one"),
    Setting("twin_latency_ms", "50", "how long the Stripe twin takes for a charge"),
    Setting("webhook_window", "60s", "how long the reconciler waits for Stripe's webhook", ""),
    Setting("shadow_mode", "off", "whether the gateway only shadows v1: on or off"),
    Setting("failpoints", "on", "whether drills may arm failpoints in the services: on or off"),
    Setting("publisher", "poll", "how outbox rows are published: poll, wal or debezium"),
    Setting("log_level", "INFO", "DEBUG, INFO, WARNING or ERROR", ""),
    Setting("up_timeout", "120s", "how long `up` waits for every process", "--timeout"),
    Setting("down_timeout", "60s", "how long `down` waits before it kills", "--timeout"),
    Setting("dsn", "", "an existing PostgreSQL, without a password (use passfile=)"),
    Setting("bootstrap_servers", "", "an existing Kafka"),
    Setting("stripe_shared", "off", "whether others use the Stripe account, too: on or off", ""),
    Setting("tap", "off", "whether a proxy records what the gateway says to Stripe: on or off"),
    Setting("stripe_api_base", "", "an existing Stripe, sandbox or stripe-mock"),
    Setting(
        "trace_url",
        "",
        "page of a trace, as `https://HOST/trace/{trace_id}`, that `order trace` links to",
        "",
    ),
    Setting("context", "", "context of the kubeconfig for --on kube; empty: the current one"),
    Setting("kube_contexts", "", "contexts besides kind's that may be touched, by comma", ""),
    Setting(
        "overlay",
        "",
        "manifests in a cluster: one of manifests/overlays, or a path;"
        " empty: standalone, cnpg or operators, as `install_operators` says",
    ),
    Setting("image", "bookpay:dev", "image of everything that runs in a cluster"),
    Setting(
        "install_operators",
        "none",
        "operators that `up` may install in a cluster: none, cnpg or all",
        "--operators",
    ),
    Setting(
        "operator_manifests",
        "",
        "folder with their pinned files; empty: cache and network",
        "--manifests",
    ),
    Setting("kind_cluster", "bookpay", "name of the cluster of --on kind"),
    Setting("kind_image", "", "its node image; empty: the one pinned for the release of kind"),
    Setting("kind_config", "", "its configuration, a file of kind's; empty: ours"),
    Setting("archive", "", "image archive that --on kind loads into the nodes; empty: none"),
)
_BY_KEY: Final = {setting.key: setting for setting in SETTINGS}

# Variables that are no settings of an environment: where things lie, who asks, and secrets, which
# neither a file of settings nor an argument may hold.
VARIABLES: Final[dict[str, str]] = {
    "BOOKPAY_AUDIT_STRIPE_KEY": "Stripe key that the judge reads with; default: the environment's",
    "BOOKPAY_CACHE": "folder for the downloaded servers; default: the user's cache folder",
    CONFIG_VARIABLE: f"path of the file of settings; default: `{CONFIG_FILE}` here",
    "BOOKPAY_HOME": "folder of all environments; default: `.bookpay` here",
    "BOOKPAY_OPERATOR": "who asks, for the record of `dlq`, `refund` and `webhook quarantine`;"
    " default: the user",
    "BOOKPAY_POSTGRES_USER": "unprivileged user that runs PostgreSQL when `up` is run as root",
    "BOOKPAY_PYTHONPATH": "folders of Python modules that the processes of `up` import before the"
    " installed ones, for who tries a changed runtime",
    "BOOKPAY_STRIPE_CONTROL_URL": "control port of a twin that belongs to no environment",
    "BOOKPAY_TRACEBACK": "set to anything: show where the tool broke, when it broke",
    "KAFKA_CA_FILE": "authorities that an existing Kafka (`--bootstrap-servers`), or one that"
    " `attach` finds, is trusted by, as PEM; set: over TLS; copied into its `secrets`",
    "KAFKA_CERTIFICATE_FILE, KAFKA_KEY_FILE": "a certificate that it is shown, and its key; with"
    " `attach` alone, for services show none",
    "KAFKA_USERNAME": "user there, by SCRAM-SHA-512 over TLS; its password is KAFKA_PASSWORD, or"
    " stands in the file that KAFKA_PASSWORD_FILE names",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector of traces, OTLP over HTTP, that the services of"
    " `up` on this machine send spans to; empty: none are made",
    "STRIPE_API_KEY": "key of an existing Stripe (`--stripe-api-base`); also STRIPE_API_KEY_FILE",
    "STRIPE_WEBHOOK_SECRET": "its signing secret; also STRIPE_WEBHOOK_SECRET_FILE",
    "NO_COLOR": "set to anything: no colour; CLICOLOR, CLICOLOR_FORCE, FORCE_COLOR and TERM=dumb"
    " are respected too",
    "DOCKER_HOST, KIND_EXPERIMENTAL_PROVIDER, ...": "reach kind and its engine with --on kind, as"
    " do the other variables of docker and podman and the proxies; KUBECONFIG does not",
    "HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE": "way to Maven Central and to the operators'"
    " manifests, each downloaded once",
    "SSL_CERT_FILE, SSL_CERT_DIR": "whom the tool trusts where it sends a webhook over https",
}


def resolve(
    flags: Mapping[str, str | None], environ: Mapping[str, str], directory: Path
) -> dict[str, Value]:
    """Every setting with its source.

    Args:
        flags: key -> what was typed; None when it was not.
        environ: the process environment.
        directory: where bookpay.toml is looked for, unless $BOOKPAY_CONFIG names a file.

    Raises:
        SettingsError: the file cannot be read, or has a key that is not a setting.
    """
    path, document = _document(environ, directory)
    in_file = _settings_in(path, document)
    values = {}
    for setting in SETTINGS:
        typed = flags.get(setting.key)
        if typed is not None:
            values[setting.key] = Value(typed, FLAG)
        elif environ.get(setting.variable):
            values[setting.key] = Value(environ[setting.variable], f"${setting.variable}")
        elif setting.key in in_file:
            values[setting.key] = Value(in_file[setting.key], str(path))
        else:
            values[setting.key] = Value(setting.default, DEFAULT)
    return values


def suppressions(environ: Mapping[str, str], directory: Path) -> tuple[Suppression, ...]:
    """The checks whose answers do not count for a while; arguments as of `resolve`.

    Raises:
        SettingsError: the file cannot be read, or an entry lacks its reason or its last day.
    """
    path, document = _document(environ, directory)
    return _suppressions_in(path, document)


def environment_name(values: Mapping[str, Value]) -> str:
    """The name, checked: it becomes a folder and part of other names.

    Raises:
        SettingsError: it has other characters, or is too long.
    """
    name = values["name"]
    if not NAME_PATTERN.fullmatch(name.text):
        raise SettingsError(
            f"environment name {name.text!r} ({name.source}) must be 1 to 31 of a-z, 0-9 and -,"
            " not beginning with -"
        )
    return name.text


def seconds(values: Mapping[str, Value], key: str) -> float:
    """A duration such as `90s`, `5m`, `1h30m`; a bare number is seconds.

    Raises:
        SettingsError: it is none, or it is zero.
    """
    value = values[key]
    try:
        total = parse_duration(value.text)
    except ValueError as error:
        raise _wrong(key, value, "a duration such as 90s or 5m") from error
    if not 0 < total < _SECONDS_MAX:
        raise _wrong(key, value, "more than zero and less than a day")
    return total


def parse_duration(text: str) -> float:
    """Seconds in a Go-style duration, with days: `7d`, `1h30m`, `90s`, `50ms`, or plain seconds.

    Raises:
        ValueError: it is not one.
    """
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return float(text)
    days, hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def whole(values: Mapping[str, Value], key: str, *, least: int, most: int) -> int | None:
    """A whole number in a range; None when the setting is empty.

    Raises:
        SettingsError: it is something else.
    """
    value = values[key]
    if not value.text:
        return None
    if not value.text.isascii() or not value.text.isdigit():
        raise _wrong(key, value, f"a whole number from {least} to {most}")
    if not least <= int(value.text) <= most:
        raise _wrong(key, value, f"from {least} to {most}")
    return int(value.text)


def switch(values: Mapping[str, Value], key: str) -> bool:
    """on or off.

    Raises:
        SettingsError: it is neither.
    """
    value = values[key]
    if value.text.lower() in ("on", "true", "yes", "1"):
        return True
    if value.text.lower() in ("off", "false", "no", "0"):
        return False
    raise _wrong(key, value, "on or off")


def choice(values: Mapping[str, Value], key: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`, whatever its case.

    Raises:
        SettingsError: it is none of them.
    """
    value = values[key]
    if value.text.upper() not in allowed:
        raise _wrong(key, value, f"one of {', '.join(allowed)}")
    return value.text.upper()


def publisher(values: Mapping[str, Value]) -> str:
    """One of `PUBLISHERS`.

    Raises:
        SettingsError: it is none of them.
    """
    return choice(values, "publisher", tuple(map(str.upper, PUBLISHERS))).lower()


def refuse_flags(values: Mapping[str, Value], keys: tuple[str, ...], why: str) -> None:
    """Refuse what was typed for another place; in a file or a variable it may stand for all.

    Raises:
        SettingsError: one of the flags was typed.
    """
    for key in keys:
        if values[key].source == FLAG:
            raise SettingsError(f"{_BY_KEY[key].flag} does not go with {why}")


def _wrong(key: str, value: Value, expected: str) -> SettingsError:
    return SettingsError(f"{key}={value.text!r} ({value.source}) must be {expected}")


def _document(environ: Mapping[str, str], directory: Path) -> tuple[Path, dict[str, object]]:
    """The file of settings as it is, and where it lies; empty when there is none."""
    path = Path(environ.get(CONFIG_VARIABLE) or directory / CONFIG_FILE)
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if CONFIG_VARIABLE in environ:
            raise SettingsError(f"${CONFIG_VARIABLE} names {path}, which does not exist") from None
        return path, {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _settings_in(path: Path, document: Mapping[str, object]) -> dict[str, str]:
    unknown = sorted(document.keys() - _BY_KEY.keys() - {SECTION})
    if unknown:
        raise SettingsError(
            f"{path} has unknown settings: {', '.join(unknown)}; known are {', '.join(_BY_KEY)}"
        )
    # Also where nobody asks for them: a file is right or it is not.
    _suppressions_in(path, document)
    return {key: _text(path, key, value) for key, value in document.items() if key != SECTION}


def _suppressions_in(path: Path, document: Mapping[str, object]) -> tuple[Suppression, ...]:
    try:
        return suppressions_in(document.get(SECTION, {}))
    except SuppressionError as error:
        raise SettingsError(f"{path}: {error}") from error


def _text(path: Path, key: str, value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str | int | float):
        return str(value)
    raise SettingsError(f"{key} in {path} must be a text, a number or a boolean")
