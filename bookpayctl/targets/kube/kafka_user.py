"""What this tool shows a Kafka in the cluster that asks for names: its own KafkaUser.

Strimzi makes a Secret of each KafkaUser, with a password or with a certificate, and one with the
authority of the brokers. They are read where Kafka is, and nothing is changed.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import kafka_files
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.kinds import SECRET
from bookpayctl.targets.kube.secrets import value_of

USER: Final = "bookpayctl"

_CLUSTER_LABEL: Final = "strimzi.io/cluster"
_ASKING: Final = ("KAFKA_USERNAME", "KAFKA_CA_FILE")


class NoKafkaUserError(TargetError):
    """Kafka asks for names there, and nobody said which is ours; the message says what to do."""

    code = ExitCode.USAGE
    reason = "no_kafka_user"


def asks_for_names(deployment: Document) -> bool:
    """Whether a service of the stack shows Kafka a name, or trusts an authority of its own."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    given = {
        variable["name"]
        for container in containers
        for variable in container.get("env") or []
        if variable.get("value") or variable.get("valueFrom")
    }
    return any(name in given for name in _ASKING)


def read_files(cluster: Cluster, namespace: str) -> dict[str, str]:
    """The files that `kafka_files` knows, of the Secrets in Kafka's namespace.

    Raises:
        NoKafkaUserError: there are none such.
        ForbiddenError: the account may not read them.
    """
    user = cluster.find(SECRET, USER, namespace)
    authority = None if user is None else cluster.find(SECRET, authority_of(user), namespace)
    return files_of(user, authority, namespace)


def authority_of(user: Document) -> str:
    """The Secret in which Strimzi keeps the authority of the brokers that a user belongs to."""
    brokers = (user["metadata"].get("labels") or {}).get(_CLUSTER_LABEL, "")
    return f"{brokers}-cluster-ca-cert"


def files_of(user: Document | None, authority: Document | None, namespace: str) -> dict[str, str]:
    """File name -> value. A user of Strimzi's has a password, or a certificate with its key.

    Raises:
        NoKafkaUserError: one of both Secrets is not there.
    """
    if user is None:
        raise NoKafkaUserError(
            f"Kafka asks for names there, and namespace {namespace} has no Secret {USER}: make the"
            f" KafkaUser {USER} (manifests/components/kafka-users), or set KAFKA_USERNAME and"
            " KAFKA_PASSWORD_FILE, or KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE, and KAFKA_CA_FILE"
        )
    named = {
        kafka_files.PASSWORD: value_of(user, "password"),
        kafka_files.CERTIFICATE: value_of(user, "user.crt"),
        kafka_files.KEY: value_of(user, "user.key"),
        kafka_files.CA: value_of(authority, "ca.crt"),
    }
    if not named[kafka_files.CA]:
        raise NoKafkaUserError(
            f"namespace {namespace} has no Secret {authority_of(user)} with a ca.crt, so whom Kafka"
            " is vouched for by is not known: set KAFKA_CA_FILE, and KAFKA_USERNAME and the others"
        )
    if named[kafka_files.PASSWORD]:
        named[kafka_files.USERNAME] = user["metadata"]["name"]
    return {name: value for name, value in named.items() if value}
