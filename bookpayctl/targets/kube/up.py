"""Bringing an environment up in a cluster: apply, wait, and say why what is not ready is not.

Applying is the same whatever is there, so a second `up` finishes what a killed one began. One that
fails takes away what it made, unless something was there before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bookpayctl.runs.interrupts import shielded
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import credentials, environment
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.kube import kafka_user, manifests, permissions, secrets
from bookpayctl.targets.kube.addresses import KAFKA_NAMESPACE, NAMESPACE, environment_in
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.contexts import refuse_context
from bookpayctl.targets.kube.down import remove
from bookpayctl.targets.kube.kinds import JOB, SECRET
from bookpayctl.targets.kube.made_secrets import (
    DatabasePlace,
    database_place,
    made_by_operators,
)
from bookpayctl.targets.kube.operators.install import (
    Installation,
    apply_patiently,
    expect_kinds,
    install,
    look_for_operators,
    read_installations,
)
from bookpayctl.targets.kube.operators.sources import OperatorSources, fetch_text
from bookpayctl.targets.kube.options import KubeOptions
from bookpayctl.targets.kube.ownership import (
    refuse_foreign,
    refuse_without_hosts,
    wait_until_free,
)
from bookpayctl.targets.kube.reach.ways import inside
from bookpayctl.targets.kube.rollout import wait_for
from bookpayctl.targets.platform import UpStep
from bookpayctl.targets.servers.jars import cache_dir

_UNDO_SECONDS_MAX: Final = 90.0
_JOB_SECONDS_MAX: Final = 60.0
_SECRET_SECONDS_MAX: Final = 60.0

_OUR_USER: Final = ("KafkaUser", kafka_user.USER)

Tell = Callable[[UpStep], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is applied, in that order, and where.

    Attributes:
        namespaces: those that are made.
        guest_namespaces: those of others in which something of it lies, such as a gateway's.
        foreign_secrets: names of the Secrets that operators make of it.
        bootstrap_servers: of Kafka, as the services dial it.
    """

    documents: list[Document]
    namespaces: list[str]
    guest_namespaces: list[str]
    database: DatabasePlace
    foreign_secrets: frozenset[str]
    bootstrap_servers: str


def bring_up(cluster: Cluster, options: KubeOptions, root: Path, tell: Tell) -> Environment:
    """Bring the environment up and return when every workload is ready.

    Call it with the environment's lock held and inside `interruptible`.

    Raises:
        ContextRefusedError, ForeignObjectsError, ForbiddenError, OperatorMissingError,
            OperatorFilesError, OtherBytesError: nothing was changed.
        RolloutError: something did not become ready, and why.
        interrupts.Stopped: somebody asked.
    """
    deadline = time.monotonic() + options.timeout_seconds
    refuse_context(cluster, options.allowed)
    plan = _plan(options)
    operators = _operators(cluster, plan, options, tell)
    everything = [doc for one in operators for doc in one.documents] + plan.documents
    permissions.refuse_without(cluster, permissions.deeds_of(cluster, everything))
    wait_until_free(
        cluster,
        plan.namespaces,
        deadline=deadline,
        tell=lambda text: tell(UpStep("namespaces", text, transient=True)),
    )
    missing = refuse_foreign(cluster, plan.namespaces, options.name)
    refuse_without_hosts(cluster, plan.guest_namespaces)
    found = environment_in(options, cluster.context, root, plan.database, plan.guest_namespaces)
    found = replace(found, kafka_bootstrap_servers=plan.bootstrap_servers)
    environment.save(found)
    # Before the stack and not undone with it: the next `up` needs them again.
    for one in operators:
        install(cluster, one, environment=options.name, deadline=deadline, tell=tell)
    fresh = missing == plan.namespaces
    with _undo_on_failure(cluster, options.name, plan.guest_namespaces, fresh=fresh, tell=tell):
        _apply(cluster, plan, options, root, deadline, tell)
        wait_for(cluster, plan.documents, deadline=deadline, tell=tell)
        # What operators made of it is there now, because pods mount it.
        credentials.ensure(root / "secrets", _known(cluster, plan))
        credentials.keep_for_kafka(root / "secrets", _for_kafka(cluster, plan, deadline, tell))
    return found


def _plan(options: KubeOptions) -> _Plan:
    rendered = manifests.render_chosen(options)
    documents = manifests.personal(rendered, options)
    spaces = [doc["metadata"]["name"] for doc in documents if doc["kind"] == "Namespace"]
    used = {doc["metadata"].get("namespace") for doc in documents} - {None, *spaces}
    return _Plan(
        documents,
        spaces,
        sorted(used),
        database_place(documents),
        made_by_operators(documents),
        _bootstrap_servers(documents),
    )


def _bootstrap_servers(documents: list[Document]) -> str:
    """Where the overlay has Kafka: another listener where it asks for names."""
    found = next(
        doc["data"]["KAFKA_BOOTSTRAP_SERVERS"]
        for doc in documents
        if (doc["kind"], doc["metadata"]["name"]) == ("ConfigMap", manifests.CONFIG_MAP)
    )
    return ",".join(inside(server, NAMESPACE) for server in found.split(","))


def _operators(
    cluster: Cluster, plan: _Plan, options: KubeOptions, tell: Tell
) -> list[Installation]:
    """What is to be installed first, read and checked; nothing is changed yet."""
    wanted = look_for_operators(
        cluster, plan.documents, chosen=options.operators, environment=options.name
    )
    for title in wanted.used:
        tell(UpStep(title, "is there, and stays as it is", done=True))
    for operator in wanted.install:
        tell(UpStep(operator.title, "reading its manifests", transient=True))
    sources = OperatorSources(options.operator_files, cache_dir())
    found = read_installations(wanted, sources, fetch_text, options.name)
    expect_kinds(cluster, found)
    return found


def _apply(
    cluster: Cluster, plan: _Plan, options: KubeOptions, root: Path, deadline: float, tell: Tell
) -> None:
    tell(UpStep("apply", f"{len(plan.documents)} objects to {cluster.context}", transient=True))
    made = [doc for doc in plan.documents if doc["kind"] == "Namespace"]
    for document in made:
        cluster.apply(document)
    for document in _secrets(cluster, plan, options, root):
        cluster.apply(document)
    for document in plan.documents:
        if document in made:
            continue
        if document["kind"] == "Job":
            _make_room_for(cluster, document)
        apply_patiently(cluster, document, deadline=deadline)
    tell(UpStep("apply", f"{len(plan.documents)} objects", done=True))


def _secrets(cluster: Cluster, plan: _Plan, options: KubeOptions, root: Path) -> list[Document]:
    known = _known(cluster, plan)
    credentials.ensure(root / "secrets", {**known, **options.given_secrets})
    return secrets.documents(root / "secrets", NAMESPACE, options.name, plan.foreign_secrets)


def _known(cluster: Cluster, plan: _Plan) -> dict[str, str]:
    return secrets.in_cluster(cluster, NAMESPACE, plan.database.secret)


def _for_kafka(cluster: Cluster, plan: _Plan, deadline: float, tell: Tell) -> dict[str, str]:
    """What this tool shows Kafka; empty where nobody is asked, or no KafkaUser is ours."""
    services = [doc for doc in plan.documents if doc["kind"] == "Deployment"]
    if not any(kafka_user.asks_for_names(doc) for doc in services):
        return {}
    kafka_space = plan.bootstrap_servers.split(".")[1]
    if any((doc["kind"], doc["metadata"]["name"]) == _OUR_USER for doc in plan.documents):
        # Strimzi makes it, when it comes to it.
        wait_until(
            lambda: cluster.find(SECRET, kafka_user.USER, kafka_space),
            lambda secret: secret is not None,
            deadline_seconds=min(_SECRET_SECONDS_MAX, max(0.0, deadline - time.monotonic())),
        )
    try:
        return kafka_user.read_files(cluster, kafka_space)
    except kafka_user.NoKafkaUserError as error:
        tell(UpStep("kafka", str(error)))
        return {}


def _make_room_for(cluster: Cluster, job: Document) -> None:
    """Delete a Job that is of another template: no field of it can be changed."""
    meta = job["metadata"]
    found = cluster.find(JOB, meta["name"], meta["namespace"])
    if found is None:
        return
    annotations = found["metadata"].get("annotations") or {}
    same = annotations.get(manifests.HASH_ANNOTATION)
    if same == meta["annotations"][manifests.HASH_ANNOTATION]:
        return
    cluster.delete(JOB, meta["name"], meta["namespace"], policy="Foreground")
    wait_until(
        lambda: cluster.find(JOB, meta["name"], meta["namespace"]),
        lambda left: left is None,
        deadline_seconds=_JOB_SECONDS_MAX,
    )


@contextmanager
def _undo_on_failure(
    cluster: Cluster, name: str, guest_namespaces: list[str], *, fresh: bool, tell: Tell
) -> Iterator[None]:
    """Remove what the block made, when it does not reach its end and nothing was there before."""
    try:
        yield
    except BaseException:
        if fresh:
            with shielded():
                tell(UpStep("up", "failed; removing what was made"))
                remove(
                    cluster,
                    name,
                    [NAMESPACE, KAFKA_NAMESPACE],
                    guest_namespaces,
                    deadline=time.monotonic() + _UNDO_SECONDS_MAX,
                    tell=lambda text: tell(UpStep("up", text)),
                )
        raise
