"""The kinds of faults that a storm draws from, and what each takes away or has to find. Pure.

None is new: each is one that a drill injects alone. What two of them must not do at once stands
here as what they take and what they need, so that a fault never falls on what is not there and
nobody could say afterwards whether it had landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runtime.domain.names import Service

EARS: Final = "ears"
"""Who is frozen does not hear of a failpoint, and arming one waits until all have heard."""

STRIPE_ANSWERS: Final = "stripe-answers"
WEBHOOKS: Final = "webhooks"
POSTGRES, KAFKA, TWIN = "postgres", "kafka", "stripe-twin"

_CHARGES: Final = frozenset(
    {
        *(POSTGRES, KAFKA, TWIN),
        *(part.value for part in (Service.ORDERS, Service.PUBLISHER, Service.WORKER)),
        Service.GATEWAY.value,
    }
)
"""What has to be there for a charge to be asked for."""

_SERVICES: Final = tuple(service.value for service in Service)


class StrikeExtent(StrEnum):
    """How much a fault of processes strikes."""

    ONE = "one"
    LEADER = "leader"
    MINORITY = "minority"
    ALL = "all"


class StormProfile(StrEnum):
    """Which kinds a storm may have; the first is the default."""

    EVERYTHING = "everything"
    PROCESSES = "processes"
    SERVERS = "servers"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        seconds: how long it lasts, from and to; a death lasts as long as its parent needs.
        takes: what is not there, or not free for another fault, meanwhile.
        needs: what must be there for it to land.
        extents: of what it strikes processes of; none for what strikes one thing by name.
        targets: of these it draws one: services, or a server.
        settles: seconds after it in which what it took is still coming back.
    """

    words: str
    profile: StormProfile
    seconds: tuple[float, float]
    takes: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    extents: tuple[StrikeExtent, ...] = ()
    targets: tuple[str, ...] = ()
    settles: float = 6.0


def _stripe(words: str) -> FaultKind:
    takes = frozenset({STRIPE_ANSWERS})
    return FaultKind(words, StormProfile.STRIPE, (2.0, 4.0), takes, _CHARGES, settles=2.0)


def _webhooks(words: str) -> FaultKind:
    takes, receiver = frozenset({WEBHOOKS}), Service.RECEIVER.value
    needs = _CHARGES | {receiver, STRIPE_ANSWERS}
    return FaultKind(words, StormProfile.STRIPE, (2.0, 6.0), takes, needs, settles=4.0)


def _failpoint(words: str) -> FaultKind:
    return FaultKind(
        words, StormProfile.PROCESSES, (1.0, 2.0), needs=frozenset({POSTGRES, EARS}), settles=8.0
    )


PROCESS_KILLED, PROCESS_FROZEN, SERVICE_AWAY = "process-killed", "process-frozen", "service-away"
FAILPOINT_EXIT, FAILPOINT_CUT = "failpoint-exit", "failpoint-dropconn"
FAILPOINT_TIMEOUT = "failpoint-exectimeout"
POSTGRES_KILLED, SESSIONS_ENDED, KAFKA_KILLED = "postgres-killed", "sessions-ended", "kafka-killed"
KAFKA_AWAY, TWIN_AWAY = "kafka-away", "stripe-away"
WEBHOOKS_TWICE = "webhooks-twice"

KINDS: Final[Mapping[str, FaultKind]] = {
    PROCESS_KILLED: FaultKind(
        "processes are killed with SIGKILL",
        StormProfile.PROCESSES,
        (1.0, 1.0),
        extents=tuple(StrikeExtent),
        targets=_SERVICES,
    ),
    PROCESS_FROZEN: FaultKind(
        "processes stand still and go on",
        StormProfile.PROCESSES,
        (2.0, 8.0),
        takes=frozenset({EARS}),
        extents=(StrikeExtent.ONE, StrikeExtent.LEADER, StrikeExtent.MINORITY),
        targets=_SERVICES,
        settles=2.0,
    ),
    SERVICE_AWAY: FaultKind(
        "every process of a service is stopped",
        StormProfile.PROCESSES,
        (2.0, 5.0),
        extents=(StrikeExtent.ALL,),
        targets=tuple(name for name in _SERVICES if name != Service.ORDERS.value),
    ),
    FAILPOINT_EXIT: _failpoint("a process dies in the middle of a step"),
    FAILPOINT_CUT: _failpoint("a process loses its connection in the middle of a step"),
    FAILPOINT_TIMEOUT: _failpoint("what a process asked for is done, and it is not told"),
    "stripe-answers-lost": _stripe("Stripe charges, and is silent"),
    "stripe-answers-cut": _stripe("Stripe charges, and the connection breaks"),
    "stripe-500": _stripe("Stripe charges, and answers 500"),
    "stripe-429": _stripe("Stripe answers 429"),
    "stripe-slow": _stripe("Stripe is slower than anybody waits"),
    "webhooks-lost": _webhooks("webhooks are lost"),
    "webhooks-late": _webhooks("webhooks come late"),
    WEBHOOKS_TWICE: _webhooks("each webhook comes three times at once"),
    "webhooks-shuffled": _webhooks("webhooks come in another order"),
    POSTGRES_KILLED: FaultKind(
        "PostgreSQL is killed with SIGKILL",
        StormProfile.SERVERS,
        (1.0, 1.0),
        targets=(POSTGRES,),
        settles=10.0,
    ),
    SESSIONS_ENDED: FaultKind(
        "PostgreSQL ends the sessions of all services once a second",
        StormProfile.SERVERS,
        (1.0, 4.0),
        takes=frozenset({EARS}),
        needs=frozenset({POSTGRES}),
        settles=3.0,
    ),
    KAFKA_KILLED: FaultKind(
        "the broker is killed with SIGKILL",
        StormProfile.SERVERS,
        (1.0, 1.0),
        targets=(KAFKA,),
        settles=12.0,
    ),
    KAFKA_AWAY: FaultKind(
        "no broker is there", StormProfile.SERVERS, (2.0, 5.0), targets=(KAFKA,), settles=12.0
    ),
    TWIN_AWAY: FaultKind(
        "no Stripe is there",
        StormProfile.SERVERS,
        (2.0, 5.0),
        takes=frozenset({STRIPE_ANSWERS, WEBHOOKS}),
        targets=(TWIN,),
        settles=4.0,
    ),
}

POINTS: Final[Mapping[str, tuple[str, ...]]] = {
    FAILPOINT_EXIT: (
        "api.validated_before_tx",
        "api.order_inserted_before_outbox",
        "api.before_commit",
        "api.commit_sent_conn_dropped",
        "api.committed_before_response",
        "publisher.fetched_before_produce",
        "publisher.produced_ack_lost",
        "publisher.acked_before_mark",
        "publisher.marked",
        "worker.polled_before_inbox",
        "worker.reserved_before_commit",
        "worker.attempt_durable_before_psp",
        "psp.response_before_persist",
        "worker.result_tx_before_commit",
        "worker.committed_before_offset",
        "worker.offset_committed",
        "receiver.verified_before_insert",
        "receiver.inserted_before_200",
        "receiver.apply_before_commit",
        "receiver.responded",
        "saga.decided_before_step1",
        "saga.stock_released_before_mark",
        "saga.done_before_event",
    ),
    FAILPOINT_CUT: (
        "api.before_commit",
        "api.commit_sent_conn_dropped",
        "api.committed_before_response",
        "publisher.fetched_before_produce",
        "publisher.acked_before_mark",
        "worker.reserved_before_commit",
        "worker.attempt_durable_before_psp",
        "worker.result_tx_before_commit",
        "receiver.inserted_before_200",
        "receiver.apply_before_commit",
        "saga.decided_before_step1",
        "saga.done_before_event",
    ),
    FAILPOINT_TIMEOUT: (
        "api.before_commit",
        "api.commit_sent_conn_dropped",
        "api.committed_before_response",
        "publisher.produced_ack_lost",
        "publisher.marked",
        "worker.reserved_before_commit",
        "worker.result_tx_before_commit",
        "receiver.inserted_before_200",
        "receiver.apply_before_commit",
        "saga.stock_released_before_mark",
        "saga.done_before_event",
    ),
}
"""Where a process can be struck by a storm's own load: cards that pay, and cards that do not."""

KNOWN_POINTS: Final = frozenset(point for points in POINTS.values() for point in points)

_WAY_TO: Final[Mapping[str, frozenset[str]]] = {
    "api": frozenset({Service.ORDERS.value}),
    "publisher": frozenset({Service.ORDERS.value, Service.PUBLISHER.value, KAFKA}),
    "worker": _CHARGES | {STRIPE_ANSWERS},
    "psp": _CHARGES | {STRIPE_ANSWERS},
    "saga": _CHARGES | {STRIPE_ANSWERS},
    "receiver": _CHARGES | {STRIPE_ANSWERS, WEBHOOKS, Service.RECEIVER.value},
}
"""What an order needs to come to the failpoints of a prefix."""

ACTIONS: Final[Mapping[str, str]] = {
    FAILPOINT_EXIT: "exit",
    FAILPOINT_CUT: "dropconn",
    FAILPOINT_TIMEOUT: "exectimeout",
}


def kinds_of(profile: StormProfile) -> tuple[str, ...]:
    """The kinds that a profile has, in the order of the catalogue."""
    everything = profile is StormProfile.EVERYTHING
    return tuple(name for name, kind in KINDS.items() if everything or kind.profile is profile)


def needs_of(kind: str, point: str) -> frozenset[str]:
    """What must be there for such a fault to land."""
    way = _WAY_TO[point.partition(".")[0]] if point else frozenset()
    return KINDS[kind].needs | way
