"""A broker that knows its clients: SCRAM over TLS, and rights as Strimzi would give them.

Beside the listener that services use there is one in plain text, whose anonymous user may do
everything: that is the operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from bookpayctl.targets.readiness import kafka_answers
from bookpayctl.targets.servers import kafka
from runtime.adapters.kafka import librdkafka_logger
from runtime.domain.names import PARTITIONS
from tests.support.certificates import openssl, self_signed
from tests.support.processes import Child, free_port, stop_all
from tests.support.servers import fetched_jars

Json = Any  # a document as YAML gives it

PASSWORD: Final = "a password of the test"
_SECONDS_MAX: Final = 30

_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
"""Strimzi writes `DescribeConfigs` where the client has DESCRIBE_CONFIGS."""

_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"

_SECURITY: Final = """
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{port},\\
  SSL://127.0.0.1:{certified},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{port},\\
  SSL://127.0.0.1:{certified}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
listener.name.ssl.ssl.client.auth=required
ssl.truststore.type=PEM
ssl.truststore.location=ca.crt
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={module} required;
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN=auditor
"""


@dataclass(frozen=True, slots=True)
class SecuredBroker:
    """Where services find it, and whom they trust."""

    bootstrap_servers: str
    authority: Path
    admin: AdminClient
    plain_servers: str
    certified_servers: str

    @property
    def certificate(self) -> Path:
        """Of the client `auditor`, who may do everything."""
        return self.authority.parent / "client.crt"

    @property
    def key(self) -> Path:
        return self.authority.parent / "client.key"

    def let_in(self, user: Json) -> None:
        """Make a user and give it the rights of a KafkaUser, as Strimzi does."""
        name = user["metadata"]["name"]
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(name, scram, PASSWORD.encode())
        for made in self.admin.alter_user_scram_credentials([upsertion]).values():
            made.result(_SECONDS_MAX)
        bindings = [
            binding
            for acl in user["spec"]["authorization"]["acls"]
            for binding in _bindings(name, acl)
        ]
        for given in self.admin.create_acls(bindings).values():
            given.result(_SECONDS_MAX)

    def settings_of(self, name: str, password_file: Path) -> Mapping[str, str]:
        """What a service of that name has in its environment."""
        password_file.write_text(PASSWORD)
        return {
            "KAFKA_USERNAME": name,
            "KAFKA_PASSWORD_FILE": str(password_file),
            "KAFKA_CA_FILE": str(self.authority),
        }


def _bindings(name: str, acl: Json) -> Iterator[AclBinding]:
    resource = acl["resource"]
    for operation in acl["operations"]:
        yield AclBinding(
            ResourceType[resource["type"].upper()],
            resource["name"],
            {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}[
                resource["patternType"]
            ],
            f"User:{name}",
            "*",
            AclOperation[_CAPITAL.sub("_", operation).upper()],
            AclPermissionType.ALLOW,
        )


@contextmanager
def secured_broker(directory: Path, topics: list[str]) -> Iterator[SecuredBroker]:
    """Start it with these topics and nobody let in; stop it at the end."""
    server = kafka.Kafka(fetched_jars(), directory / "kafka", free_port(), free_port())
    port, certified = free_port(), free_port()
    kafka.prepare(server)
    _certify(server.home)
    settings = server.home / "server.properties"
    # In a file of properties the last line of a name counts.
    settings.write_text(
        settings.read_text()
        + _SECURITY.format(
            plain=server.port,
            port=port,
            certified=certified,
            controller=server.controller_port,
            module=_SCRAM,
        )
    )
    child = Child("kafka", directory / "kafka.log")
    child.launch(server.command(), directory=server.home)
    try:
        child.wait_until(lambda: kafka_answers(server.bootstrap_servers), "answers")
        admin = AdminClient(
            {"bootstrap.servers": server.bootstrap_servers}, logger=librdkafka_logger
        )
        wanted = [NewTopic(topic, PARTITIONS, 1) for topic in topics]
        for made in admin.create_topics(wanted).values():
            made.result(_SECONDS_MAX)
        yield SecuredBroker(
            f"127.0.0.1:{port}",
            server.home / "ca.crt",
            admin,
            plain_servers=server.bootstrap_servers,
            certified_servers=f"127.0.0.1:{certified}",
        )
    finally:
        stop_all([child], {})


def _certify(home: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority, and one of a client by that one."""
    self_signed(home, "server", "127.0.0.1")
    (home / "server.crt").rename(home / "ca.crt")
    openssl(
        home,
        *("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "client.key", "-out", "client.csr"),
        *("-subj", "/CN=auditor"),
    )
    openssl(
        home,
        *("x509", "-req", "-in", "client.csr", "-CA", "ca.crt", "-CAkey", "server.key"),
        *("-CAcreateserial", "-days", "2", "-out", "client.crt"),
    )
    (home / "server.pem").write_text(
        (home / "server.key").read_text() + (home / "ca.crt").read_text()
    )
