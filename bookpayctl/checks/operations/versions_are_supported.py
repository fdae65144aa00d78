"""BP-O009: what runs is of versions that go together, and that this stack was tried with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, cannot_tell, warned
from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.clients.kafka import BrokerError
from bookpayctl.clients.kafka_versions import BrokerRelease, broker_releases
from bookpayctl.clients.stripe_api import answer_to_nobody

POSTGRES_MIN: Final = 18
KAFKA_MIN: Final = (4, 0)
"""What the stack is tried with, here and in a cluster; older ones may do, and nobody has looked."""

STRIPE_VERSION_MIN: Final = "2019-02-11"
"""Events of older versions are quarantined: before it there were no PaymentIntents."""

_BUILD: Final = re.compile(r"^bookpay_build_info\{([^}]*)\} 1(?:\.0)?$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Versions:
    """What each part says of itself.

    Attributes:
        postgres: the server's version as a number, 180004 for 18.4.
        runtime: process -> `version (source digest)`; empty text where it says none.
        tool: bookpayctl's own version.
        stripe: the API version of an answer; empty where it says none.
        mute: what did not answer, with the reason.
    """

    postgres: int | None
    brokers: Sequence[BrokerRelease]
    runtime: Mapping[str, str]
    tool: str
    stripe: str
    mute: Sequence[str] = ()


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask every server and every process of a service for its version."""
    environment, mute = inquiry.environment, []
    postgres: int | None = None
    try:
        with reading(environment.dsn) as conn:
            postgres = conn.info.server_version
    except DatabaseError as error:
        mute.append(f"PostgreSQL: {str(error).strip()}")
    brokers: list[BrokerRelease] = []
    try:
        brokers = broker_releases(environment.kafka)
    except BrokerError as error:
        mute.append(f"Kafka: {error}")
    runtime = {}
    for process in inquiry.target.processes().values():
        if process.is_server or not process.running:
            continue
        page = inquiry.target.ask(process.name, "/metrics")
        if page.status == 200:
            runtime[process.name] = build_of(page.text)
        else:
            mute.append(f"{process.name}: {page.text}")
    heard = answer_to_nobody(environment.stripe_api_base)
    stripe = heard.headers.get("stripe-version", "")
    tool = metadata.version("bookpay")
    return answer(Versions(postgres, brokers, runtime, tool, stripe, mute))


def build_of(page: str) -> str:
    """What a page of metrics says of the runtime; empty when it does not."""
    found = _BUILD.search(page)
    labels = dict(_LABEL.findall(found[1])) if found else {}
    version = labels.get("version", "")
    return f"{version} ({labels.get('source', 'no digest')})" if version else ""


def answer(found: Versions) -> CheckAnswer:
    """What these versions mean together."""
    builds = sorted(set(found.runtime.values()) - {""})
    worries = [*_old_servers(found), *_mixed(found, builds)]
    unsaid = [
        *found.mute,
        *(f"{one.broker}: {one.reason}" for one in found.brokers if one.release is None),
    ]
    evidence = [
        *([f"PostgreSQL: {_postgres(found.postgres)}"] if found.postgres else []),
        *(f"Kafka {one.broker}: {_kafka(one)}" for one in found.brokers),
        *(f"{name}: {build or 'does not say'}" for name, build in found.runtime.items()),
        f"bookpayctl: {found.tool}",
        f"Stripe API: {found.stripe or 'does not say'}",
        *(f"no answer of {one}" for one in found.mute),
    ]
    if unsaid and not worries:
        return cannot_tell("; ".join(unsaid), fix="bookpayctl status", evidence=evidence)
    if not found.runtime and not worries:
        return cannot_tell("no service runs that could say its version", evidence=evidence)
    kafka = ", ".join(sorted({_kafka(one) for one in found.brokers}))
    seen = (
        f"PostgreSQL {_postgres(found.postgres)}, Kafka {kafka}, runtime {', '.join(builds)},"
        f" Stripe API {found.stripe or 'not told'}"
    )
    examined = 1 + len(found.brokers) + len(found.runtime)
    return warned(worries, seen, examined, evidence)


def _old_servers(found: Versions) -> list[str]:
    old = []
    if found.postgres is not None and found.postgres // 10_000 < POSTGRES_MIN:
        old.append(f"PostgreSQL is {_postgres(found.postgres)}, older than {POSTGRES_MIN}")
    old += [
        f"Kafka's {one.broker} is {_kafka(one)}, older than {KAFKA_MIN[0]}.{KAFKA_MIN[1]}"
        for one in found.brokers
        if one.release is not None and one.release < KAFKA_MIN
    ]
    if found.stripe and found.stripe[:10] < STRIPE_VERSION_MIN:
        old.append(f"Stripe answers as of {found.stripe}, older than {STRIPE_VERSION_MIN}")
    return old


def _mixed(found: Versions, builds: Sequence[str]) -> list[str]:
    mixed = []
    if len(builds) > 1:
        parts = (f"{build} in {_who(found.runtime, build)}" for build in builds)
        mixed.append(f"the services run {len(builds)} runtimes: {'; '.join(parts)}")
    silent = _who(found.runtime, "")
    if silent:
        mixed.append(f"{silent} does not say its version, as a runtime older than this tool")
    others = sorted({build.partition(" ")[0] for build in builds} - {found.tool})
    if others:
        mixed.append(f"bookpayctl is {found.tool} and judges {', '.join(others)}")
    releases = {one.release for one in found.brokers if one.release is not None}
    if len(releases) > 1:
        shown = ", ".join(f"{one.broker} {_kafka(one)}" for one in found.brokers)
        mixed.append(f"the brokers are of several releases: {shown}")
    return mixed


def _who(runtime: Mapping[str, str], build: str) -> str:
    return ", ".join(name for name, found in runtime.items() if found == build)


def _postgres(number: int | None) -> str:
    return "not told" if number is None else f"{number // 10_000}.{number % 10_000}"


def _kafka(found: BrokerRelease) -> str:
    if found.release is None:
        return f"does not say: {found.reason}"
    return f"{found.release[0]}.{found.release[1]}"


CHECK: Final = Check(
    id="BP-O009",
    title="the versions go together",
    question="Do all services run one runtime, on servers that it was tried with?",
    required=f"one runtime, bookpayctl's; PostgreSQL {POSTGRES_MIN} or newer, Kafka"
    f" {KAFKA_MIN[0]}.{KAFKA_MIN[1]} or newer on every broker, Stripe API of {STRIPE_VERSION_MIN}"
    " or newer",
    why="A rollout that stopped half-way leaves two programs that read each other's rows; a server"
    " nobody tried it on fails where no test looked.",
    fix="bookpayctl up, which starts every service anew; in a cluster kubectl rollout status",
    ask=ask,
    category=Category.OPERATIONS,
)
