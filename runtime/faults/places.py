"""Where each failpoint stands, in words, and what a broken connection or a long sleep means there.

Text only, for whoever arms a point: docs/failpoints.md is made from it. Where a time-out cannot
apply stands in `names.INAPPLICABLE`, so it has no second text here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.domain.names import Service
from runtime.faults.names import Action, Failpoint

_P: Final = Failpoint

_ORDERS: Final = Service.ORDERS
_PUBLISHER: Final = Service.PUBLISHER
_WORKER: Final = Service.WORKER
_RECEIVER: Final = Service.RECEIVER
_RECONCILER: Final = Service.RECONCILER

_OWN_TX: Final = "its transaction's connection"
_POOL: Final = "every connection in the pool"
_PRODUCER: Final = "the producer's connections"
_LOCK: Final = "the lock's connection"
_CONSUMER: Final = "the consumer's connections"
_SAGA: Final = "the consumer's database connection"
_COMMITS_UNHEARD: Final = "it commits, the answer is lost"


@dataclass(frozen=True, slots=True)
class Place:
    """One failpoint as a drill's author needs to know it.

    Attributes:
        service: whose process comes by; None where the Stripe twin is at fault.
        words: what has been done when the process comes by, and what has not.
        cut: what `dropconn` cuts.
        timed_out: what takes effect before `exectimeout` lets nobody hear of it; empty where it
            cannot apply.
    """

    service: Service | None
    words: str
    cut: str
    timed_out: str = ""


PLACES: Final[dict[Failpoint, Place]] = {
    _P.API_VALIDATED_BEFORE_TX: Place(
        _ORDERS, "the request of an order is found valid; nothing is written", _OWN_TX
    ),
    _P.API_ORDER_INSERTED_BEFORE_OUTBOX: Place(
        _ORDERS,
        "the order is inserted, its event is not",
        _OWN_TX,
        "the order is inserted, the server ends the transaction for its time",
    ),
    _P.API_BEFORE_COMMIT: Place(
        _ORDERS,
        "order, stock and event are written, not committed",
        _OWN_TX,
        "all is written, the server ends the transaction for its time",
    ),
    _P.API_COMMIT_SENT_CONN_DROPPED: Place(
        _ORDERS,
        "COMMIT is on its way",
        f"{_OWN_TX}, behind COMMIT",
        "the server commits, its answer is lost",
    ),
    _P.API_COMMITTED_BEFORE_RESPONSE: Place(
        _ORDERS,
        "the order is committed, the client has not been answered",
        "the client's connection",
        "the answer is held until the client has given up",
    ),
    _P.PUBLISHER_FETCHED_BEFORE_PRODUCE: Place(
        _PUBLISHER, "outbox rows are read, not produced", _PRODUCER
    ),
    _P.PUBLISHER_PRODUCED_ACK_LOST: Place(
        _PUBLISHER,
        "events are produced, their acknowledgement is not here",
        f"{_PRODUCER}, and the report is lost",
        "the broker has the event, the report says timed out",
    ),
    _P.PUBLISHER_ACKED_BEFORE_MARK: Place(
        _PUBLISHER, "the broker has acknowledged, `published_at` is not set", _LOCK
    ),
    _P.PUBLISHER_MARKED: Place(
        _PUBLISHER, "`published_at` is set", _LOCK, "the row is marked, the answer is lost"
    ),
    _P.WORKER_POLLED_BEFORE_INBOX: Place(_WORKER, "records are polled, not stored", _POOL),
    _P.WORKER_RESERVED_BEFORE_COMMIT: Place(
        _WORKER,
        "the inbox rows are written, not committed",
        "the inbox transaction's connection",
        "the inbox commits, the answer is lost",
    ),
    _P.WORKER_ATTEMPT_DURABLE_BEFORE_PSP: Place(
        _WORKER,
        "the lease is committed, the charge is not sent",
        "the gateway connection, when the request is written",
    ),
    _P.PSP_EXECUTED_RESPONSE_LOST: Place(
        None,
        "Stripe has charged, its answer has not left it: a fault of the twin",
        "`execute_then_cut`",
        "`execute_then_timeout`; for `exit`, gateway or twin is killed while it holds the answer",
    ),
    _P.PSP_RESPONSE_BEFORE_PERSIST: Place(
        _WORKER, "the worker has Stripe's answer and has not written it", _POOL
    ),
    _P.WORKER_RESULT_TX_BEFORE_COMMIT: Place(
        _WORKER,
        "the result and its event are written, not committed",
        "the result's connection",
        "the result commits, the answer is lost",
    ),
    _P.WORKER_COMMITTED_BEFORE_OFFSET: Place(
        _WORKER, "the inbox is committed, the offset is not", _CONSUMER
    ),
    _P.WORKER_OFFSET_COMMITTED: Place(_WORKER, "the offset's commit is sent", _CONSUMER),
    _P.RECEIVER_VERIFIED_BEFORE_INSERT: Place(
        _RECEIVER, "a webhook's signature is verified, nothing is stored", _POOL
    ),
    _P.RECEIVER_INSERTED_BEFORE_200: Place(
        _RECEIVER,
        "the webhook is stored and applied, Stripe is not answered",
        "Stripe's connection",
        "the 200 is held until Stripe has given up",
    ),
    _P.RECEIVER_APPLY_BEFORE_COMMIT: Place(
        _RECEIVER,
        "the webhook is stored and applied, not committed",
        "the transaction's connection",
        _COMMITS_UNHEARD,
    ),
    _P.RECEIVER_RESPONDED: Place(
        _RECEIVER, "the 200 is sent", "Stripe's connection, behind the 200"
    ),
    _P.SAGA_DECIDED_BEFORE_STEP1: Place(
        _ORDERS, "the order is locked and its next status decided; nothing is written", _SAGA
    ),
    _P.SAGA_REFUND_SENT_NO_RESPONSE: Place(
        _WORKER,
        "a refund's request is sent, its answer is not here",
        "the gateway connection, behind the request",
        "the gateway has answered, nobody reads it",
    ),
    _P.SAGA_REFUND_BEFORE_PERSIST: Place(
        _WORKER,
        "the refund's result is written, not committed",
        "the result's connection",
        "the result commits, the answer is lost",
    ),
    _P.SAGA_STOCK_RELEASED_BEFORE_MARK: Place(
        _ORDERS,
        "stock is moved, the order's status is not written",
        _SAGA,
        "stock is moved, the server ends the transaction for its time",
    ),
    _P.SAGA_DONE_BEFORE_EVENT: Place(
        _ORDERS,
        "stock and status are written, the event is not",
        _SAGA,
        "all but the event is written, the server ends the transaction",
    ),
    _P.RECON_READ_BEFORE_FIX: Place(
        _RECONCILER, "the reconciler knows what Stripe holds and has not written it", _POOL
    ),
}

_COMES_AGAIN: Final = "clients are not answered and come again under the same key"
_SERVER_ENDS: Final = "the server ends the transaction after 10 s"
_LEADS_ASLEEP: Final = "it keeps the lock, so nobody publishes until it wakes"
_GROUP_GOES_ON: Final = "its group goes on without it after 10 s and reads its records again"
_TAKEN_OVER: Final = (
    "its lease runs out, another asks under the same key, and what it brings late is fenced off"
)
_SENT_AGAIN: Final = "Stripe is not answered and sends the webhook again"
_FOLLOWS_LATER: Final = f"{_SERVER_ENDS}; its group waits 10 s for it, then goes on"

FROZEN: Final[dict[Failpoint, str]] = {
    _P.API_VALIDATED_BEFORE_TX: _COMES_AGAIN,
    _P.API_ORDER_INSERTED_BEFORE_OUTBOX: f"{_SERVER_ENDS}; {_COMES_AGAIN}",
    _P.API_BEFORE_COMMIT: f"{_SERVER_ENDS}; {_COMES_AGAIN}",
    _P.API_COMMIT_SENT_CONN_DROPPED: f"the order is committed; {_COMES_AGAIN}",
    _P.API_COMMITTED_BEFORE_RESPONSE: f"the order is committed; {_COMES_AGAIN}",
    _P.PUBLISHER_FETCHED_BEFORE_PRODUCE: _LEADS_ASLEEP,
    _P.PUBLISHER_PRODUCED_ACK_LOST: f"the broker has the event; {_LEADS_ASLEEP}",
    _P.PUBLISHER_ACKED_BEFORE_MARK: _LEADS_ASLEEP,
    _P.PUBLISHER_MARKED: _LEADS_ASLEEP,
    _P.WORKER_POLLED_BEFORE_INBOX: _GROUP_GOES_ON,
    _P.WORKER_RESERVED_BEFORE_COMMIT: f"{_SERVER_ENDS}; {_GROUP_GOES_ON}",
    _P.WORKER_ATTEMPT_DURABLE_BEFORE_PSP: _TAKEN_OVER,
    _P.PSP_EXECUTED_RESPONSE_LOST: "gateway or twin is frozen while it holds the answer; whoever"
    " asked gives up and asks again under the same key",
    _P.PSP_RESPONSE_BEFORE_PERSIST: _TAKEN_OVER,
    _P.WORKER_RESULT_TX_BEFORE_COMMIT: f"{_SERVER_ENDS}; {_TAKEN_OVER}",
    _P.WORKER_COMMITTED_BEFORE_OFFSET: _GROUP_GOES_ON,
    _P.WORKER_OFFSET_COMMITTED: "its group goes on without it after 10 s",
    _P.RECEIVER_VERIFIED_BEFORE_INSERT: _SENT_AGAIN,
    _P.RECEIVER_INSERTED_BEFORE_200: f"the webhook is stored; {_SENT_AGAIN}",
    _P.RECEIVER_APPLY_BEFORE_COMMIT: f"{_SERVER_ENDS}; {_SENT_AGAIN}",
    _P.RECEIVER_RESPONDED: "later webhooks are not answered, and sent again",
    _P.SAGA_DECIDED_BEFORE_STEP1: _FOLLOWS_LATER,
    _P.SAGA_REFUND_SENT_NO_RESPONSE: _TAKEN_OVER,
    _P.SAGA_REFUND_BEFORE_PERSIST: f"{_SERVER_ENDS}; {_TAKEN_OVER}",
    _P.SAGA_STOCK_RELEASED_BEFORE_MARK: _FOLLOWS_LATER,
    _P.SAGA_DONE_BEFORE_EVENT: _FOLLOWS_LATER,
    _P.RECON_READ_BEFORE_FIX: "nobody reconciles until it wakes; webhooks and workers go on",
}
"""What becomes of the work of a process that is frozen there, for longer than its leases."""

ACTIONS: Final[dict[Action, str]] = {
    Action.EXIT: "ends the process as SIGKILL would: status 137, no handler runs",
    Action.DROPCONN: "shuts down the very socket that the code is about to use, so that its own"
    " library says what it says when a network fails",
    Action.EXECTIMEOUT: "lets the other side execute, then throws its answer away",
    Action.STOP: "freezes the process, by default for 30 s, as a long pause of the machine would",
    Action.DELAY: "waits, by default for 1 s",
}
