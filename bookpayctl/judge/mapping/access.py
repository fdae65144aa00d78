"""How a mapping's secrets are found: in a file, in a variable, or in what libpq knows.

Nothing that is secret comes from the mapping itself, and no message holds what was read.
"""

from __future__ import annotations

from collections.abc import Mapping as Variables
from pathlib import Path

from bookpayctl.clients import libpq
from bookpayctl.clients.kafka_servers import KafkaProof, KafkaServers
from bookpayctl.clients.schema_registry import SchemaRegistry
from bookpayctl.judge.mapping.document import (
    DatabaseSource,
    KafkaSource,
    MappingError,
    StripeSource,
)


def dsn_of(source: DatabaseSource, environ: Variables[str, str]) -> str:
    """The connection string.

    Raises:
        MappingError: there is none, or the mapping has a password in it.
    """
    if source.dsn is not None:
        if _has_password(source.dsn, "database.dsn"):
            raise MappingError(
                "database.dsn has a password in it; a mapping is no place for one: name a passfile,"
                " or use dsn_file"
            )
        return source.dsn
    if source.dsn_file is not None:
        found = _file(source.dsn_file, "database.dsn_file")
        _has_password(found, "database.dsn_file")
        return found
    if source.dsn_variable is not None:
        found = _variable(source.dsn_variable, environ, "database.dsn_variable")
        _has_password(found, "database.dsn_variable")
        return found
    return libpq.shell_dsn()


def stripe_key_of(source: StripeSource, environ: Variables[str, str]) -> str:
    """Stripe's key.

    Raises:
        MappingError: there is none.
    """
    if source.key_file is not None:
        return _file(source.key_file, "stripe.key_file")
    return _variable(source.key_variable or "", environ, "stripe.key_variable")


def kafka_servers_of(source: KafkaSource, environ: Variables[str, str]) -> KafkaServers:
    """Where Kafka is, with what it is shown.

    Raises:
        MappingError: a file or a variable is not there, or a line of the file is no property.
    """
    if source.properties_file is not None:
        properties = _properties_of(source.properties_file)
        return KafkaServers(source.bootstrap_servers, properties)
    proof = KafkaProof(
        username=source.username,
        password=_kafka_password(source, environ),
        ca_file=_path(source.ca_file, "kafka.ca_file"),
        certificate_file=_path(source.certificate_file, "kafka.certificate_file"),
        key_file=_path(source.key_file, "kafka.key_file"),
    )
    return KafkaServers(source.bootstrap_servers, proof.security)


def registry_of(source: KafkaSource, environ: Variables[str, str]) -> SchemaRegistry | None:
    """The registry that the mapping names; None where it names none.

    Raises:
        MappingError: the password is not there.
    """
    if not source.registry_url:
        return None
    password = ""
    if source.registry_password_file is not None:
        password = _file(source.registry_password_file, "kafka.registry_password_file")
    if source.registry_password_variable is not None:
        where = "kafka.registry_password_variable"
        password = _variable(source.registry_password_variable, environ, where)
    return SchemaRegistry(source.registry_url, user=source.registry_user, password=password)


def _kafka_password(source: KafkaSource, environ: Variables[str, str]) -> str:
    if source.password_file is not None:
        return _file(source.password_file, "kafka.password_file")
    if source.password_variable is not None:
        return _variable(source.password_variable, environ, "kafka.password_variable")
    return ""


def _properties_of(path: str) -> dict[str, str]:
    where = "kafka.properties_file"
    found = {}
    for number, line in enumerate(_file(path, where).splitlines(), start=1):
        name, sign, value = line.strip().partition("=")
        if name and not name.startswith("#"):
            if not sign:
                raise MappingError(f"{where}: line {number} is no name=value")
            found[name.strip()] = value.strip()
    return found


def _path(path: str, where: str) -> str:
    """A path for a client that reads the file itself; empty for none."""
    if path and not Path(path).expanduser().is_file():
        raise MappingError(f"{where} names no file: {path}")
    return str(Path(path).expanduser()) if path else ""


def _has_password(dsn: str, where: str) -> bool:
    try:
        return libpq.has_password(dsn)
    except ValueError as error:
        raise MappingError(f"{where} holds {error}") from None


def _file(path: str, where: str) -> str:
    try:
        found = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{where} {path} cannot be read: {type(error).__name__}") from error
    if not found:
        raise MappingError(f"{where} {path} is empty")
    return found


def _variable(name: str, environ: Variables[str, str], where: str) -> str:
    found = environ.get(name, "").strip()
    if not found:
        raise MappingError(f"{where}: the variable {name} is not set")
    return found
