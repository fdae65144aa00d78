"""Taking over a stack that somebody else deployed: looked at, asked, and never changed.

Everything is read where the stack itself reads it: its ConfigMap, its Secrets, the gateway's
variables. What is not there is named, because a stack that is half known would be judged wrongly.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from bookpayctl.clients.kafka_servers import KafkaProof
from bookpayctl.clients.stripe_api import LIVE_BASE
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import credentials, environment
from bookpayctl.targets.environment import DEBEZIUM, Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube import kafka_user, secrets
from bookpayctl.targets.kube.addresses import ENDPOINT_URL, TWIN, TWIN_CONTROL_PORT
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.contexts import refuse_context
from bookpayctl.targets.kube.kinds import CONFIG_MAP, DEPLOYMENT, SECRET
from bookpayctl.targets.kube.made_secrets import dsn_of
from bookpayctl.targets.kube.manifests import CONFIG_MAP as CONFIG_NAME
from bookpayctl.targets.kube.options import TARGET
from bookpayctl.targets.kube.reach.ways import inside
from bookpayctl.targets.servers.postgres import passfile_line
from runtime.domain.names import PublisherMode, Service

GATEWAY: Final = "payments-gateway"
ATTACHED: Final = "attached"


class NoStackError(TargetError):
    """The namespace holds no stack of ours, or not all of one; the message says what lacks."""

    code = ExitCode.USAGE
    reason = "no_stack"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What the user says; all else is read."""

    name: str
    namespace: str
    tenant_id: str
    allowed: tuple[str, ...]
    kafka: KafkaProof


def is_attached(environment: Environment) -> bool:
    """Whether somebody else deployed its stack."""
    return environment.settings.get(ATTACHED) == "on"


def attach(cluster: Cluster, wanted: Attachment, root: Path) -> Environment:
    """Write the environment down and return it; nothing in the cluster is changed.

    Raises:
        ContextRefusedError: the cluster may not be touched.
        NoStackError: something of a stack is missing there.
        NoKafkaUserError: Kafka asks for names, and nobody said which is ours.
        ForbiddenError: the account may not read something.
    """
    refuse_context(cluster, wanted.allowed)
    config = _configuration(cluster, wanted.namespace)
    stripe = _stripe_of_gateway(cluster, wanted.namespace)
    database = _database(cluster, wanted.namespace)
    known = secrets.in_cluster(cluster, wanted.namespace)
    missing = sorted(secrets.PLACES.keys() - known.keys())
    if missing:
        names = ", ".join("/".join(secrets.PLACES[name]) for name in missing)
        raise NoStackError(f"namespace {wanted.namespace} has no Secret {names}")
    known[credentials.PASSFILE] = passfile_line(database.password or "")
    found = _environment(cluster, wanted, root, config, stripe, database)
    for_kafka = _for_kafka(cluster, wanted, found)
    credentials.keep(root / "secrets", known)
    credentials.keep_for_kafka(root / "secrets", for_kafka)
    environment.save(found)
    return found


def _for_kafka(cluster: Cluster, wanted: Attachment, found: Environment) -> dict[str, str]:
    """What Kafka is shown: what the user says, else what the stack itself shows there."""
    if wanted.kafka != KafkaProof():
        return credentials.files_for_kafka(wanted.kafka)
    worker = cluster.find(DEPLOYMENT, Service.WORKER.value, wanted.namespace)
    if worker is None or not kafka_user.asks_for_names(worker):
        return {}
    return kafka_user.read_files(cluster, found.settings["namespaces"].split(",")[-1])


@dataclass(frozen=True, slots=True)
class _Database:
    host: str
    port: int
    user: str
    password: str | None
    name: str


def _configuration(cluster: Cluster, namespace: str) -> Mapping[str, str]:
    found = cluster.find(CONFIG_MAP, CONFIG_NAME, namespace)
    if found is None:
        raise NoStackError(f"namespace {namespace} has no ConfigMap {CONFIG_NAME}")
    data: Mapping[str, str] = found.get("data") or {}
    for key in ("KAFKA_BOOTSTRAP_SERVERS", "BOOKPAY_ENV"):
        if not data.get(key):
            raise NoStackError(f"ConfigMap {namespace}/{CONFIG_NAME} has no {key}")
    return data


def _gateway(cluster: Cluster, namespace: str) -> Document:
    gateway = cluster.find(DEPLOYMENT, GATEWAY, namespace)
    if gateway is None:
        raise NoStackError(f"namespace {namespace} has no Deployment {GATEWAY}")
    return gateway


def _stripe_of_gateway(cluster: Cluster, namespace: str) -> str:
    """Which Stripe the gateway asks: Stripe itself where its Deployment says nothing else."""
    name = "STRIPE_API_BASE"
    container: Document = _gateway(cluster, namespace)["spec"]["template"]["spec"]["containers"][0]
    said = [variable for variable in container.get("env") or [] if variable["name"] == name]
    if not said:
        return LIVE_BASE
    if not said[0].get("value"):
        raise NoStackError(f"Deployment {namespace}/{GATEWAY} does not say {name} by its value")
    return str(said[0]["value"])


def _database(cluster: Cluster, namespace: str) -> _Database:
    """As the gateway reads it: our own Secret, or the one that PostgreSQL's operator makes."""
    place = dsn_of(_gateway(cluster, namespace))
    if place is None:
        raise NoStackError(f"Deployment {namespace}/{GATEWAY} mounts no file dsn from a Secret")
    dsn = secrets.value_of(cluster.find(SECRET, place.secret, namespace), place.key)
    if not dsn:
        raise NoStackError(f"namespace {namespace} has no Secret {place.secret}/{place.key}")
    parts = urlsplit(dsn)
    if not parts.hostname or not parts.username:
        # Not quoted: a DSN holds a password.
        raise NoStackError(f"Secret {namespace}/{place.secret} holds no usable {place.key}")
    return _Database(
        host=parts.hostname,
        port=parts.port or 5432,
        user=parts.username,
        password=None if parts.password is None else unquote(parts.password),
        name=parts.path.lstrip("/"),
    )


def _publisher(config: Mapping[str, str]) -> str:
    """Who publishes there, as the services are told."""
    if config.get("BOOKPAY_CHANGE_DATA_CAPTURE") == "on":
        return DEBEZIUM
    return config.get("BOOKPAY_PUBLISHER_MODE", PublisherMode.POLL.value)


def _environment(
    cluster: Cluster,
    wanted: Attachment,
    root: Path,
    config: Mapping[str, str],
    stripe: str,
    database: _Database,
) -> Environment:
    space = wanted.namespace
    bootstrap = ",".join(
        inside(server, space) for server in config["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    )
    kafka_space = bootstrap.split(",", maxsplit=1)[0].split(".")[1]
    parts = urlsplit(stripe)
    own_twin = (parts.hostname or "").split(".")[0] == TWIN
    stripe_url = stripe
    if "." not in (parts.hostname or ""):
        stripe_url = f"{parts.scheme}://{inside(parts.netloc, space)}"
    passfile = quote(os.fsencode((root / "secrets" / credentials.PASSFILE).absolute()))
    where = inside(f"{database.host}:{database.port}", space)

    def url(service: str) -> str:
        return f"http://{service}.{space}.svc:8080"

    return Environment(
        name=wanted.name,
        root=root,
        target=TARGET,
        dsn=f"postgresql://{database.user}@{where}/{database.name}?passfile={passfile}",
        kafka_bootstrap_servers=bootstrap,
        stripe_api_base=stripe_url,
        stripe_control_url=(f"http://{TWIN}.{space}.svc:{TWIN_CONTROL_PORT}" if own_twin else None),
        orders_url=url("orders-service"),
        gateway_url=url(GATEWAY),
        webhook_url=f"{url('payments-webhook-receiver')}/stripe/webhook",
        mail_dir=root / "mail",
        tenant_id=wanted.tenant_id,
        processes=(),
        settings={
            ATTACHED: "on",
            **({"endpoint_url": ENDPOINT_URL} if own_twin else {}),
            "context": cluster.context,
            "kubeconfig": os.environ.get("KUBECONFIG", ""),
            "namespaces": ",".join(dict.fromkeys((space, kafka_space))),
            "env": config["BOOKPAY_ENV"],
            "shadow_mode": config.get("SHADOW_MODE", "off"),
            "publisher": _publisher(config),
            "failpoints": config.get("BOOKPAY_FAILPOINTS", "off"),
            "stripe_shared": "off",
            "webhook_window_seconds": config.get(
                "BOOKPAY_WEBHOOK_WINDOW_SECONDS", str(environment.WEBHOOK_WINDOW_SECONDS)
            ),
        },
    )
