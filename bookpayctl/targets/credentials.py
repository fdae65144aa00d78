"""The secrets of an environment: made once, kept in files of mode 0600, never shown.

Values go into files and files go to processes. No value of one appears in an argument list, a
log, a configuration or an exception.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka_servers import KafkaProof
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.files import SECRET, write_atomically
from bookpayctl.targets import kafka_files
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.servers.postgres import passfile_line
from bookpayctl.targets.settings import SettingsError
from runtime.domain.names import LIVE_KEY_PREFIXES

PASSFILE: Final = "pgpass"
STRIPE_KEY: Final = "stripe-api-key"
WEBHOOK_SECRET: Final = "stripe-webhook-secret"  # noqa: S105 - a file's name
GATEWAY_TOKEN: Final = "gateway-token"  # noqa: S105 - a file's name
ORDERS_TOKEN: Final = "orders-token"  # noqa: S105 - a file's name

# What an existing Stripe needs from the user, and the file it is kept in.
_BROUGHT: Final = {
    "STRIPE_API_KEY": STRIPE_KEY,
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
}


class LiveKeyError(TargetError):
    """A key for real money was offered. This tool breaks things on purpose: refused."""

    code = ExitCode.REFUSED
    reason = "live_key"


def refuse_live_key(key: str, source: str) -> None:
    """Raise when `key` moves real money.

    Raises:
        LiveKeyError: it does; the message names where it came from, not the key.
    """
    if key.startswith(LIVE_KEY_PREFIXES):
        raise LiveKeyError(f"{source} holds a live Stripe key; only test keys are accepted")


def brought(environ: Mapping[str, str]) -> dict[str, str]:
    """File name -> value of the secrets that an existing Stripe needs from the user.

    Raises:
        SettingsError: one is not there, or cannot be read.
        LiveKeyError: the key is a live one.
    """
    found = {}
    for variable, file_name in _BROUGHT.items():
        path = environ.get(f"{variable}_FILE")
        try:
            value = Path(path).read_text().strip() if path else environ.get(variable, "").strip()
        except OSError as error:
            raise SettingsError(f"{variable}_FILE cannot be read: {error}") from error
        if not value:
            raise SettingsError(f"an existing Stripe needs {variable} or {variable}_FILE")
        found[file_name] = value
    refuse_live_key(found[STRIPE_KEY], "STRIPE_API_KEY")
    return found


def brought_for_kafka(environ: Mapping[str, str]) -> KafkaProof:
    """What the variables say that an existing Kafka is to be shown; empty where they say nothing.

    Raises:
        SettingsError: a file is not there, or one thing lacks the other that belongs to it.
    """
    password = ""
    if environ.get("KAFKA_USERNAME"):
        path = environ.get("KAFKA_PASSWORD_FILE")
        try:
            password = Path(path).read_text().strip() if path else environ.get("KAFKA_PASSWORD", "")
        except OSError as error:
            raise SettingsError(f"KAFKA_PASSWORD_FILE cannot be read: {error}") from error
        if not password:
            raise SettingsError("KAFKA_USERNAME needs KAFKA_PASSWORD or KAFKA_PASSWORD_FILE")
    files = {}
    for variable in ("KAFKA_CA_FILE", "KAFKA_CERTIFICATE_FILE", "KAFKA_KEY_FILE"):
        files[variable] = environ.get(variable) or ""
        if files[variable] and not Path(files[variable]).is_file():
            raise SettingsError(f"{variable} names no file: {files[variable]}")
    proof = KafkaProof(environ.get("KAFKA_USERNAME") or "", password, *files.values())
    if proof.problem:
        raise SettingsError(
            f"KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE: {proof.problem}; give both or none"
        )
    return proof


def files_for_kafka(proof: KafkaProof) -> dict[str, str]:
    """File name -> value of what is shown, copied: the environment outlives the user's own files.

    Raises:
        SettingsError: a file cannot be read.
    """
    paths = {
        kafka_files.CA: proof.ca_file,
        kafka_files.CERTIFICATE: proof.certificate_file,
        kafka_files.KEY: proof.key_file,
    }
    try:
        found = {name: Path(path).read_text() for name, path in paths.items() if path}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"a file for Kafka cannot be read: {error}") from error
    named = {kafka_files.USERNAME: proof.username, kafka_files.PASSWORD: proof.password}
    return found | {name: value for name, value in named.items() if value}


def keep_for_kafka(secrets_dir: Path, files: Mapping[str, str]) -> None:
    """Write them beside the other secrets, and forget there what is not shown any more."""
    secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets_dir.chmod(0o700)
    for name in kafka_files.FILES:
        if name in files:
            _write(secrets_dir / name, files[name])
        else:
            (secrets_dir / name).unlink(missing_ok=True)


def ensure(secrets_dir: Path, given: Mapping[str, str]) -> bool:
    """Make the secrets that are not there yet, and replace those that are given.

    Args:
        secrets_dir: mode 0700 afterwards.
        given: file name -> value that the user brings, such as a sandbox key.

    Returns:
        Whether the database password is a new one, so that the database must be told.

    Raises:
        LiveKeyError: a given or a stored Stripe key is a live one.
    """
    secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets_dir.chmod(0o700)
    if STRIPE_KEY in given:
        refuse_live_key(given[STRIPE_KEY], "STRIPE_API_KEY")
    new_password = not (secrets_dir / PASSFILE).exists()
    made = {
        STRIPE_KEY: f"sk_test_bookpay{secrets.token_hex(16)}",
        WEBHOOK_SECRET: f"whsec_{secrets.token_hex(24)}",
        GATEWAY_TOKEN: secrets.token_urlsafe(32),
        ORDERS_TOKEN: secrets.token_urlsafe(32),
        PASSFILE: passfile_line(secrets.token_urlsafe(24)),
    }
    for name, value in made.items():
        path = secrets_dir / name
        if name in given:
            _write(path, given[name])
        elif not path.exists() or not path.read_text().strip():
            _write(path, value)
    refuse_live_key((secrets_dir / STRIPE_KEY).read_text(), str(secrets_dir / STRIPE_KEY))
    return new_password


def keep(secrets_dir: Path, values: Mapping[str, str]) -> None:
    """Write secrets that somebody else made, file name -> value.

    Raises:
        LiveKeyError: the Stripe key is a live one; nothing was written.
    """
    refuse_live_key(values[STRIPE_KEY], "the stack")
    secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets_dir.chmod(0o700)
    for name, value in values.items():
        _write(secrets_dir / name, value)


def database_password(secrets_dir: Path) -> str:
    """The password inside the pass file."""
    return (secrets_dir / PASSFILE).read_text().strip().rpartition(":")[2]


def _write(path: Path, value: str) -> None:
    """Replace the file in one step; at no time is it readable by others.

    One that holds this value already stays, and with it the time at which it came.
    """
    if path.exists() and path.read_text().strip() == value.strip():
        path.chmod(SECRET)
        return
    write_atomically(path, f"{value.strip()}\n", mode=SECRET)
