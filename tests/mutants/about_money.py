"""Sabotages of keys and outcomes: what would charge twice, or guess."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.keys_and_signatures import KEY_WITH_ATTEMPT, NEW_KEY_EACH_TIME
from tests.mutants.mutant import Mutant, Replacement, integration, unit

CALLS: Final = "runtime/services/payments_gateway/calls.py"
ATTEMPT: Final = "runtime/services/payments_worker/attempt.py"
CLIENT: Final = "runtime/adapters/gateway_client.py"
ANSWERS: Final = "runtime/domain/stripe_answers.py"
STRIPE: Final = "runtime/adapters/stripe_gateway.py"
MACHINE: Final = "runtime/domain/payment.py"

SPOILT_ANSWER: Final = integration(
    "payments_worker/test_unclear_answers",
    "test_an_executed_charge_whose_answer_is_spoilt_is_found_and_not_repeated[execute_then_cut]",
)
ANSWER_TABLE: Final = "tests/unit/runtime/test_runtime_stripe_answers.py"
PAYMENT_TABLE: Final = "tests/unit/runtime/test_payment_table.py"


MONEY_MUTANTS: Final = (
    Mutant(
        "M2",
        "the gateway makes up a key for every charge it sends",
        NEW_KEY_EACH_TIME,
        (SPOILT_ANSWER,),
    ),
    Mutant(
        "M3",
        "the key of a retry includes the number of the attempt",
        KEY_WITH_ATTEMPT,
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
                'return Unknown(f"http {status}", saved_failure=refusal.replayed)',
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
                """        with metrics.GATEWAY_SECONDS.labels("charge").time():
            answer = self.gateway.charge(request, traceparent=parent)
        metrics.PAYMENT_ATTEMPTS.labels("charge", type(answer.outcome).__name__.lower()).inc()
        waiting = connections.Pooled(self.pool)
        failpoints.hit(Failpoint.PSP_RESPONSE_BEFORE_PERSIST, subject, waiting)
        # The answer is in memory only. If this process dies here, the lease runs out and the same
        # key asks Stripe again, which then repeats what it has saved.
        self._persist(lambda conn: self._write_charge(conn, claim, answer, subject))
        return answer.outcome
""",
                """        with self.pool.connection() as conn:
            payments.lock(conn, row.event_id)
            with metrics.GATEWAY_SECONDS.labels("charge").time():
                answer = self.gateway.charge(request, traceparent=parent)
            metrics.PAYMENT_ATTEMPTS.labels("charge", type(answer.outcome).__name__.lower()).inc()
            waiting = connections.Pooled(self.pool)
            failpoints.hit(Failpoint.PSP_RESPONSE_BEFORE_PERSIST, subject, waiting)
            self._write_charge(conn, claim, answer, subject)
        return answer.outcome
""",
            ),
        ),
        (
            integration(
                "payments_worker/test_worker_concurrency",
                "test_workers_fill_every_place_and_hold_no_transaction_while_stripe_takes_its_time",
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
                """    def search(self, event_id: str) -> Iterator[Document]:
        query = f"metadata['event_id']:'{event_id}'"
        answer = self._get("/v1/payment_intents/search", query=query, limit=LIST_PAGE)
        yield from getattr(answer, "document", {"data": ()})["data"]

    def list_refunds(self,""",
            ),
            Replacement(
                CALLS,
                "gateway.stripe.list_created(created_gte, created_lte)",
                "gateway.stripe.search(event_id)",
            ),
        ),
        (
            integration(
                "payments_worker/test_unclear_answers",
                "test_an_executed_charge_behind_a_500_for_ever_is_found_by_the_list",
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
                "        _note(journal, event_id, call)\n",
                "        _note(journal, event_id, call)\n"
                "        if known.v1 is None:\n            return call.outcome\n",
            ),
        ),
        (
            integration(
                "payments_gateway/test_shadow_mode",
                "test_the_header_carries_v1s_outcome_or_is_refused[None-409-None]",
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
            unit(
                "runtime/test_payment_cancellations",
                "test_a_cancellation_before_the_order_is_a_failed_payment_that_is_never_sent",
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
            unit(
                "runtime/test_payment_cancellations",
                "test_a_success_after_a_cancellation_is_given_back_in_the_same_step",
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
            integration(
                "payments_worker/test_leases",
                "test_a_day_on_the_environment_clock_ends_the_life_of_a_key[24-unknown]",
            ),
        ),
    ),
    Mutant(
        "M35",
        "the gateway writes its journal's row when the call is over",
        (
            Replacement(
                "runtime/services/payments_gateway/journal.py",
                """        call_id = self._begin(operation, key, event_id, payment_intent_id)
        if time""",
                """        answer = send()
        call_id = self._begin(operation, key, event_id, payment_intent_id)
        if time""",
            ),
            Replacement(
                "runtime/services/payments_gateway/journal.py",
                """            answer = send()
            call = Call(answer, classify(answer))
""",
                """            call = Call(answer, classify(answer))
""",
            ),
        ),
        (
            integration(
                "payments_gateway/test_gateway_journal",
                "test_a_call_that_nobody_saw_the_end_of_is_in_the_journal",
            ),
        ),
    ),
)
