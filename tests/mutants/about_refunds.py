"""Sabotages of refunds: what would give back twice, never, or by hearsay."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

STRIPE: Final = "runtime/adapters/stripe_gateway.py"
TABLES: Final = "runtime/sql/migrations/0001_orders_and_payments.sql"

REFUND_MUTANTS: Final = (
    Mutant(
        "M12",
        "refunds are posted without our key, under one that the library makes up",
        (
            Replacement(
                STRIPE,
                """        return self._post(
            "/v1/refunds",
            key=key,
            payment_intent=payment_intent_id,
            amount=amount_cents,
            metadata=dict(metadata),
        )
""",
                """        return _call(
            lambda: self._client.raw_request(
                "post",
                "/v1/refunds",
                payment_intent=payment_intent_id,
                amount=amount_cents,
                metadata=dict(metadata),
            )
        )
""",
            ),
        ),
        (
            integration(
                "payments_worker/test_refunds",
                "test_a_refund_is_given_under_the_key_that_was_stored_for_it",
            ),
        ),
    ),
    Mutant(
        "M25",
        "the refund after a failed one is posted under the failed one's key",
        (
            Replacement(
                "runtime/adapters/store/refunds.py",
                "_insert(conn, event_id, n, str(refund_id), payment_intent_id, money)",
                "key = derive_event_id(event_id, EventType.ORDER_CANCELLED)\n"
                "        _insert(conn, event_id, n, str(key), payment_intent_id, money)",
            ),
            # The table would refuse it, so its protection goes too.
            Replacement(
                TABLES,
                "    idempotency_key   text        NOT NULL UNIQUE,\n",
                "    idempotency_key   text        NOT NULL,\n",
            ),
        ),
        (
            integration(
                "payments_worker/test_refunds",
                "test_a_saved_500_under_a_refund_key_fails_visibly_and_an_operator_retries_it",
            ),
        ),
    ),
    Mutant(
        "M37",
        "a webhook ends a refund whatever amount it names",
        (
            Replacement(
                "runtime/steps/webhook.py",
                """    other_money = _other_money(row.money, event.money)
    if other_money is not None:
        return Quarantined(other_money)
    seen = RefundSeen""",
                """    other_money = _other_money(row.money, event.money)
    if other_money == "currency":
        return Quarantined(other_money)
    seen = RefundSeen""",
            ),
        ),
        (
            (
                integration(
                    "payments_worker/test_refund_rows",
                    "test_news_of_a_refund_that_disagrees_ends_nothing",
                )
            ),
        ),
    ),
    Mutant(
        "M40",
        "a refund whose sender died is sent again as if nothing could have executed",
        (
            Replacement(
                "runtime/domain/refund.py",
                "    return replace(refund, state=S.UNKNOWN, key=key_history.interrupted(refund.key))\n",
                "    return replace(refund, state=S.PENDING)\n",
            ),
        ),
        (
            unit(
                "runtime/test_refund_table",
                "test_only_a_refund_under_way_loses_its_lease_and_may_have_executed[sending]",
            ),
            integration(
                "payments_worker/test_refund_rows",
                "test_a_refund_whose_sender_came_back_is_unknown_and_sent_again_in_the_same_round",
            ),
        ),
    ),
)
