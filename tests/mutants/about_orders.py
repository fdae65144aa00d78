"""Sabotages of what follows a payment: stock, late news, and the mail about it."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.events_and_orders import STOCK_KEPT
from tests.mutants.mutant import Mutant, Replacement, integration, unit

STOCK: Final = "runtime/adapters/store/stock.py"
DECLINED: Final = integration(
    "orders/test_order_to_money",
    "test_a_declined_order_is_cancelled_with_its_code_and_its_stock_is_back",
)

ORDER_MUTANTS: Final = (
    Mutant(
        "M13",
        "the stock of an order is released twice",
        (
            Replacement(
                "runtime/steps/order.py",
                "        shelves.move(conn, order.order_id, step.stock)\n",
                "        shelves.move(conn, order.order_id, step.stock)\n"
                "        shelves.move(conn, order.order_id, step.stock)\n",
            ),
            Replacement(STOCK, " AND state <> 'released' FOR UPDATE)", " FOR UPDATE)"),
            # The table would refuse a sum that is off, so its protection goes too.
            Replacement(
                "runtime/sql/migrations/0001_orders_and_payments.sql",
                "initial = on_hand + reserved + sold",
                "initial > 0",
            ),
        ),
        (DECLINED,),
    ),
    Mutant(
        "M14",
        "the stock of a failed order is not released",
        STOCK_KEPT,
        (DECLINED,),
    ),
    Mutant(
        "M52",
        "a new order locks its book against other orders of it: two of them die of it",
        (
            Replacement(
                STOCK,
                """    books AS (SELECT sku FROM inventory WHERE sku IN (SELECT sku FROM wanted)
              ORDER BY sku FOR NO KEY UPDATE)
""",
                """    books AS (SELECT sku FROM inventory WHERE sku IN (SELECT sku FROM wanted)
              ORDER BY sku FOR UPDATE)
""",
            ),
        ),
        (
            integration(
                "orders/test_one_book",
                "test_two_orders_of_one_book_that_are_both_reserved_are_both_taken",
            ),
        ),
    ),
    Mutant(
        "M21",
        "a failure that comes after the success makes the payment failed",
        (
            Replacement(
                "runtime/domain/payment.py",
                """        case S.SUCCEEDED | S.REFUNDING | S.REFUNDED:
            return Unchanged("a late failure does not undo a success")
""",
                """        case S.SUCCEEDED:
            return Step(replace(payment, state=S.FAILED, failure_code=code))
        case S.REFUNDING | S.REFUNDED:
            return Unchanged("a late failure does not undo a success")
""",
            ),
        ),
        (unit("runtime/test_payment_table", "test_a_late_failure_undoes_nothing"),),
    ),
    Mutant(
        "M39",
        "a payment's event moves its order whatever amount and currency it names",
        (
            Replacement(
                "runtime/domain/order.py",
                "    if named != total:\n        return AmountMismatch(total, named)\n",
                "",
            ),
        ),
        (
            unit(
                "runtime/test_order_path",
                "test_an_event_about_other_money_changes_no_order_in_any_state",
            ),
            integration(
                "orders/test_outcome_amounts",
                "test_an_outcome_about_other_money_is_a_dead_letter_and_its_order_stays_as_it_was"
                "[1-eur-payments.completed]",
            ),
        ),
    ),
    Mutant(
        "M38",
        "a mail is marked as sent before the mail server has taken it",
        (
            Replacement(
                "runtime/services/notifier/service.py",
                '        try:\n            with tracing.span("mail"',
                "        notifications.mark_sent(conn, event.event_id)\n"
                '        try:\n            with tracing.span("mail"',
            ),
        ),
        (
            integration(
                "whole_stack/test_mail_server_away",
                "test_a_mail_that_nobody_took_stays_untold_and_is_sent_later",
            ),
        ),
    ),
)
