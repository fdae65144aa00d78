"""The points where a drill may break a process, what it may do there, and what makes no sense.

Names are stable: drills and evidence quote them. `places` says where each stands and
docs/failpoints.md lists them. Where a fault makes no sense at a point, the reason stands here: a
drill that asks for it is told, and a matrix of all of them leaves none out in silence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Failpoint(StrEnum):
    """F01 to F27, in this order."""

    API_VALIDATED_BEFORE_TX = "api.validated_before_tx"
    API_ORDER_INSERTED_BEFORE_OUTBOX = "api.order_inserted_before_outbox"
    API_BEFORE_COMMIT = "api.before_commit"
    API_COMMIT_SENT_CONN_DROPPED = "api.commit_sent_conn_dropped"
    API_COMMITTED_BEFORE_RESPONSE = "api.committed_before_response"
    PUBLISHER_FETCHED_BEFORE_PRODUCE = "publisher.fetched_before_produce"
    PUBLISHER_PRODUCED_ACK_LOST = "publisher.produced_ack_lost"
    PUBLISHER_ACKED_BEFORE_MARK = "publisher.acked_before_mark"
    PUBLISHER_MARKED = "publisher.marked"
    WORKER_POLLED_BEFORE_INBOX = "worker.polled_before_inbox"
    WORKER_RESERVED_BEFORE_COMMIT = "worker.reserved_before_commit"
    WORKER_ATTEMPT_DURABLE_BEFORE_PSP = "worker.attempt_durable_before_psp"
    PSP_EXECUTED_RESPONSE_LOST = "psp.executed_response_lost"
    PSP_RESPONSE_BEFORE_PERSIST = "psp.response_before_persist"
    WORKER_RESULT_TX_BEFORE_COMMIT = "worker.result_tx_before_commit"
    WORKER_COMMITTED_BEFORE_OFFSET = "worker.committed_before_offset"
    WORKER_OFFSET_COMMITTED = "worker.offset_committed"
    RECEIVER_VERIFIED_BEFORE_INSERT = "receiver.verified_before_insert"
    RECEIVER_INSERTED_BEFORE_200 = "receiver.inserted_before_200"
    RECEIVER_APPLY_BEFORE_COMMIT = "receiver.apply_before_commit"
    RECEIVER_RESPONDED = "receiver.responded"
    SAGA_DECIDED_BEFORE_STEP1 = "saga.decided_before_step1"
    SAGA_REFUND_SENT_NO_RESPONSE = "saga.refund_sent_no_response"
    SAGA_REFUND_BEFORE_PERSIST = "saga.refund_before_persist"
    SAGA_STOCK_RELEASED_BEFORE_MARK = "saga.stock_released_before_mark"
    SAGA_DONE_BEFORE_EVENT = "saga.done_before_event"
    RECON_READ_BEFORE_FIX = "recon.read_before_fix"

    @property
    def number(self) -> str:
        """F01 to F27."""
        return f"F{list(Failpoint).index(self) + 1:02}"


class Action(StrEnum):
    """What happens at a point: the process ends, freezes or waits, or its connection fails it."""

    # As SIGKILL would end it: no handler runs and nothing is flushed.
    EXIT = "exit"
    # The connection that is about to be used is shut down.
    DROPCONN = "dropconn"
    # The other side executes, and its answer is thrown away.
    EXECTIMEOUT = "exectimeout"
    # The process is frozen, as by a long pause of its machine, and wakes up believing nothing.
    STOP = "stop"
    # This thread alone waits.
    DELAY = "delay"


_P: Final = Failpoint
_NOTHING_YET: Final = "nothing has been executed yet that could time out"

# All are time-outs after execution: a process can end anywhere, and at every point there is a
# connection that is about to be used.
INAPPLICABLE: Final[dict[tuple[Failpoint, Action], str]] = {
    (point, Action.EXECTIMEOUT): reason
    for point, reason in {
        _P.API_VALIDATED_BEFORE_TX: f"{_NOTHING_YET}: the order's statements come after it",
        _P.PUBLISHER_FETCHED_BEFORE_PRODUCE: f"{_NOTHING_YET}: reading the outbox has no effect",
        _P.PUBLISHER_ACKED_BEFORE_MARK: (
            "what was executed is acknowledged; its time-out is F07's, the mark's is F09's"
        ),
        _P.WORKER_POLLED_BEFORE_INBOX: f"{_NOTHING_YET}: a poll has no effect",
        _P.WORKER_ATTEMPT_DURABLE_BEFORE_PSP: (
            f"{_NOTHING_YET}: the charge is not sent; its time-out is F13's"
        ),
        _P.PSP_RESPONSE_BEFORE_PERSIST: (
            "the answer is here; the call's time-out is F13's, the transaction's is F15's"
        ),
        _P.WORKER_COMMITTED_BEFORE_OFFSET: (
            "the inbox transaction has answered; its time-out is F11's"
        ),
        _P.WORKER_OFFSET_COMMITTED: (
            "offsets are committed without waiting, so nobody is told of a time-out"
        ),
        _P.RECEIVER_VERIFIED_BEFORE_INSERT: f"{_NOTHING_YET}: verifying has no effect",
        _P.RECEIVER_RESPONDED: "the answer has gone and nothing is waited for",
        _P.SAGA_DECIDED_BEFORE_STEP1: f"{_NOTHING_YET}: the order is locked and unchanged",
        _P.RECON_READ_BEFORE_FIX: f"{_NOTHING_YET}: asking Stripe has no effect",
    }.items()
}
