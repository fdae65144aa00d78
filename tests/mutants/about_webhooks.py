"""Sabotages of the receiver: what is believed, in which order, and when it is acknowledged."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.webhooks import ANY_AGE, ANY_AMOUNT
from tests.mutants.mutant import Mutant, Replacement, integration, unit

INTAKE: Final = "runtime/services/webhook_receiver/intake.py"
SIGNATURE: Final = "runtime/domain/signature.py"
SIGNATURE_TESTS: Final = "tests/unit/runtime/test_runtime_signature.py"

WEBHOOK_MUTANTS: Final = (
    Mutant(
        "M15",
        "a webhook pays an order whatever amount it names",
        ANY_AMOUNT,
        (unit("runtime/test_runtime_edges", "test_an_event_that_disagrees_is_not_ours"),),
    ),
    Mutant(
        "M16",
        "a v0 signature is believed like a v1",
        (
            Replacement(
                SIGNATURE,
                'return timestamps[0], [value for name, value in pairs if name == "v1"]',
                "return timestamps[0], signed",
            ),
        ),
        (f"{SIGNATURE_TESTS}::test_a_signature_that_does_not_match_is_invalid[only v0]",),
    ),
    Mutant(
        "M17",
        "a signature of any age is believed",
        ANY_AGE,
        (f"{SIGNATURE_TESTS}::test_the_timestamp_may_be_300_seconds_off_either_way",),
    ),
    Mutant(
        "M18",
        "the body is parsed before its signature is verified",
        (
            Replacement(
                INTAKE,
                """        verified = verify(signatures, body, self.secrets.current(), now)
        if verified is not Verified.GENUINE:
            return REFUSALS[verified]
        parsed = parse(body)
        if isinstance(parsed, Invalid):
            return REFUSALS["body_invalid"]
""",
                """        parsed = parse(body)
        if isinstance(parsed, Invalid):
            return REFUSALS["body_invalid"]
        verified = verify(signatures, body, self.secrets.current(), now)
        if verified is not Verified.GENUINE:
            return REFUSALS[verified]
""",
            ),
        ),
        (
            integration(
                "webhook_receiver/test_webhook_cases",
                "test_a_webhook_gets_its_exact_answer_and_changes_nothing_unless_it_is_accepted"
                "[W28 not UTF-8, not signed]",
            ),
        ),
    ),
    Mutant(
        "M19",
        "a webhook is acknowledged before its row is committed",
        (
            Replacement(INTAKE, "import logging\n", "import logging\nimport threading\n"),
            Replacement(
                INTAKE,
                "                self._store(parsed, body, headers, client)\n",
                "                work = (parsed, body, headers, client)\n"
                "                threading.Thread(target=self._store, args=work).start()\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_dependencies_away",
                "test_while_the_database_is_away_a_webhook_is_told_to_come_again_and_never_received",
            ),
        ),
    ),
    Mutant(
        "M20",
        "a webhook about a payment that is not here yet is dropped",
        (
            Replacement(
                INTAKE,
                'webhooks.keep_early(conn, event.stripe_event_id, effect.event_id, "early")',
                "webhooks.mark_processed(conn, event.stripe_event_id)",
            ),
        ),
        (
            integration(
                "webhook_receiver/test_webhook_effects",
                "test_a_webhook_before_its_payment_is_parked_and_applied_when_the_payment_is_there",
            ),
        ),
    ),
    Mutant(
        "M27",
        "an operator's release lets a quarantined webhook go though it still contradicts us",
        (
            Replacement(
                "runtime/services/payments_reconciler/requests.py",
                '            return _Answer(False, f"it still does not fit: {reason}")\n',
                "            webhooks.release(conn, held.row_id)\n"
                '            return _Answer(True, f"released: {reason}")\n',
            ),
        ),
        (
            integration(
                "payments_reconciler/test_operator_requests",
                "test_a_released_webhook_that_still_contradicts_stays_in_quarantine",
            ),
        ),
    ),
    Mutant(
        "M47",
        "an event moves a payment by its name, whatever its object says",
        (
            Replacement(
                "runtime/steps/webhook.py",
                "    if not event.status_fits:\n",
                '    if event.type == "none":\n',
            ),
        ),
        (
            unit(
                "runtime/test_runtime_edges",
                "test_an_event_is_believed_in_the_states_that_stripe_tells_it_in",
            ),
        ),
    ),
    Mutant(
        "M48",
        "what a customer does in a browser is quarantined, because its key is none of ours",
        (
            Replacement(
                "runtime/steps/webhook.py",
                '        return None if known == event.payment_intent_id else "other_payment_intent"\n',
                "        if known != event.payment_intent_id:\n"
                '            return "other_payment_intent"\n',
            ),
        ),
        (
            unit(
                "runtime/test_runtime_edges",
                "test_our_payment_intent_is_believed_whoever_moved_it",
            ),
        ),
    ),
    Mutant(
        "M273",
        "an event whose effect a constraint refuses is refused with it, for three days",
        (
            Replacement(
                INTAKE,
                "            self._store_with(event, body, headers, subject, webhook.contradiction(error))\n",
                "            raise error\n",
            ),
        ),
        (
            integration(
                "webhook_receiver/test_webhook_effects",
                "test_an_event_that_a_constraint_refuses_is_quarantined_and_moves_nothing",
            ),
        ),
    ),
)
