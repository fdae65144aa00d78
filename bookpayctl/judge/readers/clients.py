"""What the clients of one run saw, as a ledger."""

from __future__ import annotations

from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.rows import History


def keep_history(history: History, ledgers: LedgerWriter) -> None:
    """Put a history's calls into their table.

    Raises:
        StoreError: they could not be kept.
    """
    with ledgers.sink("client_operations") as operations:
        for call in history.operations:
            operations.put(
                {
                    "client_key": call.client_key,
                    "outcome": call.outcome,
                    "order_id": call.order_id,
                    "amount": call.amount_cents,
                }
            )
    ledgers.keep(operations)
