"""Sabotages of who is believed: answers of others, and answers about other money."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

ANSWERS: Final = "runtime/domain/stripe_answers.py"
SHAPE: Final = "runtime/domain/stripe_shape.py"
STRIPE_HTTP: Final = "runtime/adapters/stripe_http.py"

ANSWER_TABLE: Final = "tests/unit/runtime/test_runtime_stripe_answers.py"
ON_THE_WIRE: Final = (
    "tests/contract/test_answers_of_others.py"
    "::test_an_answer_that_is_not_stripes_is_unknown_whatever_its_number"
)
SERVING: Final = "runtime/adapters/http/serving.py"
WATCH: Final = "runtime/adapters/gateway_client.py"
WATCHED: Final = "tests/contract/test_gateway_is_watched.py"
IN_THE_GATEWAYS_PLACE: Final = (
    "tests/contract/test_answers_in_the_gateways_place.py"
    "::test_an_answer_that_is_not_the_gateways_is_unknown_whatever_its_number"
)

ANSWER_MUTANTS: Final = (
    Mutant(
        "M41",
        "Stripe's error is believed without Stripe's request id",
        (
            Replacement(
                SHAPE,
                "    if request_id is None and not challenged:\n",
                "    if request_id is None and not challenged and status == 200:\n",
            ),
        ),
        (f"{ON_THE_WIRE}[charge]", f"{ON_THE_WIRE}[find_refunds]"),
    ),
    Mutant(
        "M42",
        "a list that somebody else shows is Stripe's, and an empty one proves that nothing is there",
        (
            Replacement(
                SHAPE,
                '    if request_id is None and not challenged:\n        return foreign("it has no '
                'Request-Id")\n',
                "    if request_id is None and not challenged:\n"
                '        request_id = "req_made_up"\n',
            ),
        ),
        (f"{ON_THE_WIRE}[find]", f"{ON_THE_WIRE}[retrieve]"),
    ),
    Mutant(
        "M43",
        "a POST that was redirected is repeated as a GET, and that answer is believed",
        (
            Replacement(
                STRIPE_HTTP,
                """                redirect=False,
                retries=False,
            )
""",
                """                redirect=False,
                retries=False,
            )
            if answer.get_redirect_location():
                elsewhere = answer.get_redirect_location()
                answer = self._pool.urlopen("GET", elsewhere, headers=headers, retries=False)
""",
            ),
        ),
        ("tests/contract/test_answers_of_others.py::test_a_redirect_is_followed_nowhere",),
    ),
    Mutant(
        "M44",
        "a PaymentIntent that has succeeded is paid whatever part of it was received",
        (
            Replacement(
                ANSWERS,
                "return None if amount_received_cents == ours.amount_cents else",
                "return None if amount_received_cents != ours.amount_cents - 10**9 else",
            ),
        ),
        (
            f"{ANSWER_TABLE}::test_a_success_about_something_else_than_was_asked_is_not_settled",
            unit("runtime/test_runtime_edges", "test_an_event_that_disagrees_is_not_ours"),
            unit("runtime/test_runtime_edges", "test_a_success_of_other_money_is_no_success"),
        ),
    ),
    Mutant(
        "M45",
        "other money under our name counts as nothing, so that its payment may be called failed",
        (
            Replacement(
                "runtime/services/payments_reconciler/charges.py",
                '        if intent.status != "canceled":\n',
                '        if intent.status == "nothing is":\n',
            ),
        ),
        (
            unit(
                "runtime/test_runtime_nothing_is_skipped",
                "test_other_money_under_our_name_is_no_proof_that_there_is_none",
            ),
        ),
    ),
    Mutant(
        "M46",
        "the gateway's refusals are believed by their status numbers",
        (
            Replacement(
                "runtime/domain/outcome_document.py",
                "    if not isinstance(code, str) or code not in _REFUSALS.get(status, ()):\n",
                "    if status not in _REFUSALS and not isinstance(code, int):\n",
            ),
        ),
        (f"{IN_THE_GATEWAYS_PLACE}[charge]",),
    ),
    Mutant(
        "M73",
        "a gateway that goes away is told by nobody",
        (
            Replacement(
                WATCH,
                "elif met or time.monotonic()",
                "elif not met and time.monotonic()",
            ),
        ),
        (f"{WATCHED}::test_one_that_goes_and_comes_back_is_told_once_each",),
    ),
    Mutant(
        "M74",
        "a gateway that is still starting is told as an outage",
        (
            Replacement(
                WATCH,
                "elif met or time.monotonic() - began >= UNHEARD_SECONDS:",
                "elif time.monotonic() >= began:",
            ),
        ),
        (f"{WATCHED}::test_one_that_is_still_starting_is_no_outage",),
    ),
    Mutant(
        "M265",
        "a worker that reaches nobody goes on sending all that is due",
        (
            Replacement(
                "runtime/services/payments_worker/executor.py",
                "                case Retry(unreached=True):\n",
                "                case Retry(unreached=True) if before.is_refused:\n",
            ),
        ),
        (
            unit(
                "runtime/test_runtime_nothing_is_skipped",
                "test_a_worker_that_reaches_nobody_sends_one_at_a_time_and_stays_ready",
            ),
        ),
    ),
    Mutant(
        "M266",
        "the worker is not told that Stripe was never reached",
        (
            Replacement(
                "runtime/domain/outcome_document.py",
                '{"unreached": True} if outcome.unreached else {}',
                "{}",
            ),
        ),
        (
            unit(
                "runtime/test_runtime_outcome_document",
                "test_every_outcome_survives_from_the_gateways_body_to_the_workers_answer",
            ),
        ),
    ),
    Mutant(
        "M270",
        "work that nobody waits for any more gives its thread away before it ends",
        (
            Replacement(
                SERVING,
                "await asyncio.shield(self._begin(call))",
                "await self._begin(call)",
            ),
        ),
        (
            unit(
                "runtime/test_request_threads",
                "test_work_that_nobody_waits_for_any_more_keeps_its_thread_until_it_ends",
            ),
        ),
    ),
    Mutant(
        "M271",
        "work on a thread does not know whose request it is for",
        (
            Replacement(
                SERVING,
                "run_in_executor(self._executor, context.run, call)",
                "run_in_executor(self._executor, call)",
            ),
        ),
        (unit("runtime/test_request_threads", "test_the_work_has_the_requests_context"),),
    ),
    Mutant(
        "M272",
        "a plain route is asked without the application's middleware, and so without its token",
        (
            Replacement(
                "runtime/adapters/http/direct.py",
                "reversed(app.user_middleware)",
                "reversed(app.user_middleware[:0])",
            ),
        ),
        (
            unit(
                "runtime/test_runtime_direct_routes",
                "test_an_answer_is_the_same_with_the_framework_and_without_it",
            ),
        ),
    ),
)
