"""Sabotages of keys, leases, outcomes and refunds: what would charge or give back twice."""

from __future__ import annotations

from typing import Final

from mutant import Mutant, Replacement

CALLS: Final = "runtime/services/payments_gateway/calls.py"
ATTEMPT: Final = "runtime/services/payments_worker/attempt.py"
CLIENT: Final = "runtime/adapters/gateway_client.py"
ANSWERS: Final = "runtime/domain/stripe_answers.py"
STRIPE: Final = "runtime/adapters/stripe_gateway.py"
QUEUE: Final = "runtime/adapters/store/payment_queue.py"
MACHINE: Final = "runtime/domain/payment.py"
TABLES: Final = "runtime/sql/migrations/0001_orders_and_payments.sql"

SPOILT_ANSWER: Final = (
    "tests/integration/test_unclear_answers.py"
    "::test_an_executed_charge_whose_answer_is_spoilt_is_found_and_not_repeated[execute_then_cut]"
)
ANSWER_TABLE: Final = "tests/unit/runtime/test_runtime_stripe_answers.py"
PAYMENT_TABLE: Final = "tests/unit/runtime/test_payment_table.py"

MONEY_MUTANTS: Final = (
    Mutant(
        "M2",
        "the gateway makes up a key for every charge it sends",
        (
            Replacement(
                CALLS,
                "from dataclasses import dataclass\n\nimport stripe\n",
                "from dataclasses import dataclass\nfrom uuid import uuid4\n\nimport stripe\n",
            ),
            Replacement(
                CALLS,
                "        key=str(body.event_id),\n        amount_cents",
                "        key=str(uuid4()),\n        amount_cents",
            ),
        ),
        (SPOILT_ANSWER,),
    ),
    Mutant(
        "M3",
        "the key of a retry includes the number of the attempt",
        (
            Replacement(
                ATTEMPT,
                "            row.payment_method,\n        )\n",
                "            row.payment_method,\n            row.started_attempts,\n        )\n",
            ),
            Replacement(
                CLIENT,
                "    payment_method: str | None\n\n\n@dataclass(frozen=True, slots=True)\n"
                "class GatewayAnswer:",
                "    payment_method: str | None\n    attempt: int = 0\n\n\n"
                "@dataclass(frozen=True, slots=True)\nclass GatewayAnswer:",
            ),
            Replacement(
                CLIENT,
                '            "currency": request.currency,\n        }\n',
                '            "currency": request.currency,\n            "attempt": request.attempt,\n'
                "        }\n",
            ),
            Replacement(
                "runtime/services/payments_gateway/schema.py",
                "    payment_method: Text | None = None\n",
                "    payment_method: Text | None = None\n    attempt: int = 0\n",
            ),
            Replacement(
                CALLS,
                "        key=str(body.event_id),\n        amount_cents",
                '        key=f"{body.event_id}:{body.attempt}" if body.attempt else str(body.event_id),'
                "\n        amount_cents",
            ),
        ),
        (SPOILT_ANSWER,),
    ),
    Mutant(
        "M7",
        "a charge that times out counts as declined",
        (
            Replacement(
                ANSWERS,
                'return Unknown("no answer") if answer.sent else',
                'return Declined("timeout") if answer.sent else',
            ),
            Replacement(
                CLIENT,
                'return GatewayAnswer(Unknown(f"gateway: {type(error).__name__}"))',
                'return GatewayAnswer(Declined(f"timeout: {type(error).__name__}"))',
            ),
        ),
        (f"{ANSWER_TABLE}::test_each_answer_to_a_charge_has_its_outcome",),
    ),
    Mutant(
        "M8",
        "a 500 of Stripe counts as declined",
        (
            Replacement(
                ANSWERS,
                'return Unknown(f"http {status}", saved_failure=answer.replayed)',
                'return Declined(code or f"http {status}")',
            ),
        ),
        (f"{ANSWER_TABLE}::test_no_5xx_is_ever_final",),
    ),
    Mutant(
        "M9",
        "Stripe is called inside the transaction that writes the result, and rolls back with it",
        (
            Replacement(
                ATTEMPT,
                """        with GATEWAY_SECONDS.labels("charge").time():
            answer = self.gateway.charge(request, traceparent=traceparent)
        OUTCOMES.labels("charge", type(answer.outcome).__name__.lower()).inc()
        self.process.failpoints.hit(Failpoint.PSP_RESPONSE_BEFORE_PERSIST, subject)
        self._persist(lambda conn: self._write_charge(conn, claim, answer, subject))
        return answer.outcome
""",
                """        with self.pool.connection() as conn:
            payments.lock(conn, row.event_id)
            with GATEWAY_SECONDS.labels("charge").time():
                answer = self.gateway.charge(request, traceparent=traceparent)
            OUTCOMES.labels("charge", type(answer.outcome).__name__.lower()).inc()
            self.process.failpoints.hit(Failpoint.PSP_RESPONSE_BEFORE_PERSIST, subject)
            self._write_charge(conn, claim, answer, subject)
        return answer.outcome
""",
            ),
        ),
        (
            (
                "tests/integration/test_worker_concurrency.py"
                "::test_workers_fill_every_place_and_hold_no_transaction_while_stripe_takes_its_time"
            ),
        ),
    ),
    Mutant(
        "M10",
        "a result counts whether or not its lease is still the row's",
        (
            Replacement(
                "runtime/adapters/store/payments.py",
                """    if lease_token is not None and row.lease_token != lease_token:
        return Fenced()
""",
                "",
            ),
        ),
        ("tests/integration/test_leases.py::test_a_result_under_a_lost_lease_is_fenced_off",),
    ),
    Mutant(
        "M11",
        "leases are measured by wall clock instead of the environment's",
        (
            Replacement(
                QUEUE,
                "state = 'charging' AND (lease_until < environment_now() OR",
                "state = 'charging' AND (lease_until < clock_timestamp() OR",
            ),
            Replacement(
                QUEUE,
                "lease_until = environment_now() + make_interval",
                "lease_until = clock_timestamp() + make_interval",
            ),
        ),
        ("tests/integration/test_leases.py::test_a_lease_ends_when_the_environment_clock_says_so",),
    ),
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
            (
                "tests/integration/test_refunds.py"
                "::test_a_refund_is_given_under_the_key_that_was_stored_for_it"
            ),
        ),
    ),
    Mutant(
        "M23",
        "the reconciler searches for a payment instead of listing, and search is a minute late",
        (
            Replacement(
                STRIPE,
                """    def list_refunds(self,""",
                """    def search(self, event_id: str) -> Iterator[Mapping[str, Any]]:
        query = f"metadata['event_id']:'{event_id}'"
        page = self._client.v1.payment_intents.search({"query": query, "limit": LIST_PAGE})
        for intent in page.auto_paging_iter():
            yield json.loads(str(intent))

    def list_refunds(self,""",
            ),
            Replacement(
                CALLS,
                "gateway.stripe.list_created(created_gte, created_lte)",
                "gateway.stripe.search(event_id)",
            ),
        ),
        (
            (
                "tests/integration/test_unclear_answers.py"
                "::test_an_executed_charge_behind_a_500_for_ever_is_found_by_the_list"
            ),
        ),
    ),
    Mutant(
        "M25",
        "the refund after a failed one is posted under the failed one's key",
        (
            Replacement(
                "runtime/adapters/store/refunds.py",
                "_insert(conn, failed.event_id, n, str(refund_id), failed.payment_intent_id,",
                "_insert(conn, failed.event_id, n, failed.idempotency_key,"
                " failed.payment_intent_id,",
            ),
            # The table would refuse it, so its protection goes too.
            Replacement(
                TABLES,
                "    idempotency_key   text        NOT NULL UNIQUE,\n",
                "    idempotency_key   text        NOT NULL,\n",
            ),
        ),
        (
            (
                "tests/integration/test_refunds.py"
                "::test_a_saved_500_under_a_refund_key_fails_visibly_and_an_operator_retries_it"
            ),
        ),
    ),
    Mutant(
        "M26",
        "absent at Stripe counts as failed though the key is young and a request may still come",
        (
            Replacement(
                MACHINE,
                "    if key_dead:\n        return _failed(payment, NOT_EXECUTED, None)\n",
                "    if True:\n        return _failed(payment, NOT_EXECUTED, None)\n",
            ),
        ),
        (f"{PAYMENT_TABLE}::test_a_young_key_that_left_no_trace_is_posted_again",),
    ),
    Mutant(
        "M29",
        "in shadow mode our own outcome is told while v1's is not known",
        (
            Replacement(
                "runtime/services/payments_gateway/shadow.py",
                "        _note(journal, event_id, call, outcome)\n",
                "        _note(journal, event_id, call, outcome)\n"
                "        if known.v1 is None:\n            return outcome\n",
            ),
        ),
        (
            (
                "tests/integration/test_shadow_mode.py"
                "::test_the_header_carries_v1s_outcome_or_is_refused[None-409-None]"
            ),
        ),
    ),
    Mutant(
        "M30",
        "a cancellation that came first leaves a payment that is sent when its order comes",
        (
            Replacement(
                MACHINE,
                "        Payment(S.FAILED, cancel_requested=True, failure_code=ORDER_CANCELLED),\n"
                "        (Effect.EMIT_FAILED,),\n",
                "        Payment(S.PENDING, cancel_requested=True),\n",
            ),
        ),
        (
            (
                "tests/unit/runtime/test_payment_cancellations.py"
                "::test_a_cancellation_before_the_order_is_a_failed_payment_that_is_never_sent"
            ),
        ),
    ),
    Mutant(
        "M31",
        "a success after the cancellation is kept unless the attempt itself brings it",
        (
            Replacement(
                MACHINE,
                "            if payment.cancel_requested:\n                return Step(\n"
                "                    replace(known, state=S.REFUNDING),",
                "            if payment.cancel_requested and payment.state is S.CHARGING:\n"
                "                return Step(\n"
                "                    replace(known, state=S.REFUNDING),",
            ),
        ),
        (
            (
                "tests/unit/runtime/test_payment_cancellations.py"
                "::test_a_success_after_a_cancellation_is_given_back_in_the_same_step"
            ),
        ),
    ),
    Mutant(
        "M32",
        "a key is posted again after 23 h, when Stripe may have pruned it and charges anew",
        (
            Replacement(
                MACHINE,
                "    too_old = (event.key_age_seconds or 0.0) > KEY_AGE_SECONDS_MAX\n",
                "    too_old = (event.key_age_seconds or 0.0) > 100 * KEY_AGE_SECONDS_MAX\n",
            ),
        ),
        (
            (
                "tests/integration/test_leases.py"
                "::test_a_day_on_the_environment_clock_ends_the_life_of_a_key[24-unknown]"
            ),
        ),
    ),
)
