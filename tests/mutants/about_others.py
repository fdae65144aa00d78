"""Sabotages of the sums: money that others moved, forgotten, believed or asked for twice."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

SUMS: Final = "runtime/domain/outside.py"
ROWS: Final = "payments_worker/test_moved_rows"
DISPUTED: Final = "payments_worker/test_disputed_rows"

OTHERS_MUTANTS: Final = (
    Mutant(
        "M53",
        "a refund asks for the whole, whatever others have given back",
        (
            Replacement(
                SUMS,
                "        gone = self.given_outside_cents + self._disputed_cents("
                "Stands.LOST, Stands.WITHDRAWN)\n",
                "        gone = self._disputed_cents(Stands.LOST, Stands.WITHDRAWN)\n",
            ),
        ),
        (
            unit("runtime/test_outside_money", "test_no_refund_asks_for_more_than_is_left"),
            integration(ROWS, "test_a_part_is_written_down_and_the_rest_is_what_is_asked_for"),
        ),
    ),
    Mutant(
        "M54",
        "what a bank took by a lost dispute is still owed to the customer",
        (
            Replacement(
                SUMS,
                "self._disputed_cents(Stands.LOST, Stands.WITHDRAWN)",
                "self._disputed_cents(Stands.WITHDRAWN)",
            ),
            Replacement(SUMS, "arrived + ours + self.lost_cents >=", "arrived + ours >="),
        ),
        (
            unit("runtime/test_outside_money", "test_no_refund_asks_for_more_than_is_left"),
            integration(
                DISPUTED, "test_a_refund_waits_for_an_open_dispute_and_ends_with_a_lost_one"
            ),
        ),
    ),
    Mutant(
        "M55",
        "an order stays paid though all its money was given back outside",
        (
            Replacement(
                SUMS,
                "            return CancelOrder() if whole else None\n",
                "            return CancelOrder() if whole and moved.ours else None\n",
            ),
        ),
        (
            integration(
                ROWS, "test_the_whole_cancels_the_order_and_its_stock_comes_back[succeeded]"
            ),
        ),
    ),
    Mutant(
        "M56",
        "whoever writes our refund's id into another refund's metadata has made it ours",
        (
            Replacement(
                SUMS,
                "        case RefundState.PENDING | RefundState.FAILED:\n            return False\n",
                "        case RefundState.PENDING | RefundState.FAILED:\n            return True\n",
            ),
        ),
        (integration(ROWS, "test_our_ids_in_somebody_elses_refund_do_not_make_it_ours[None]"),),
    ),
    Mutant(
        "M57",
        "late news of its beginning opens a dispute again that has ended",
        (
            Replacement(
                SUMS,
                "    if before != after:\n        return after > before\n",
                "    if before != after:\n        return after > before or told_at > known_at\n",
            ),
        ),
        (integration(DISPUTED, "test_a_late_created_does_not_open_a_closed_dispute"),),
    ),
)
