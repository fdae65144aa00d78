"""Wrong runtimes: what Stripe says is taken for more than it is, twice, or not at all."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit
from bookpayctl.controls.events_and_orders import NO_INBOX
from bookpayctl.controls.keys_and_signatures import ANY_SIGNATURE

_ANSWERS: Final = "runtime/domain/stripe_answers.py"
_CALLS: Final = "runtime/services/payments_gateway/calls.py"


def _drill(slug: str, point: str) -> tuple[str, ...]:
    return ("drill", "run", slug, "--at", point, "--duration", "8s", "--timeout", "40s")


WRONG_READERS_OF_ANSWERS: Final = (
    WrongStack(
        "failures-of-stripes-are-declines",
        "a 500 of Stripe's is taken for a declined card",
        _drill("stripe-errors", "saved-500"),
        (RedAnswer("stripe-errors/never-wrong", "failed"),),
        (
            Edit(
                _ANSWERS,
                '        return Unknown(f"http {status}", saved_failure=refusal.replayed)\n',
                '        return Declined("api_error")\n',
            ),
        ),
    ),
    WrongStack(
        "failures-of-stripes-are-charges",
        "a 500 of Stripe's is taken for a charge that succeeded",
        _drill("stripe-errors", "failed-500"),
        (RedAnswer("I11", "Stripe has no such charge"), RedAnswer("I30", "no such charge")),
        (
            Edit(
                _ANSWERS,
                '        return Unknown(f"http {status}", saved_failure=refusal.replayed)\n',
                '        made_up = __import__("secrets").token_hex(12)\n'
                '        return Settled(f"pi_{made_up}")\n',
            ),
        ),
    ),
    WrongStack(
        "a-lost-answer-is-a-decline",
        "a charge whose answer never came is taken for a declined card",
        _drill("stripe-answers-lost", "all"),
        (RedAnswer("stripe-answers-lost/never-wrong", "failed"),),
        (
            Edit(
                _ANSWERS,
                'Unknown("no answer") if answer.sent else',
                'Declined("no_answer") if answer.sent else',
            ),
            # The worker's own patience may end first.
            Edit(
                "runtime/adapters/gateway_client.py",
                '            return GatewayAnswer(Unknown(f"gateway: {type(error).__name__}"))\n',
                "            from runtime.domain.outcome import Declined\n\n"
                '            return GatewayAnswer(Declined(f"gateway: {type(error).__name__}"))\n',
            ),
        ),
    ),
    WrongStack(
        "any-402-is-a-decline",
        "a page with the status 402 is taken for a declined card, whoever wrote it",
        _drill("stripe-answers-of-others", "html-402"),
        (RedAnswer("stripe-answers-of-others/never-wrong", "failed"),),
        (
            Edit(
                _ANSWERS,
                "    if isinstance(answer, NotStripes):\n",
                "    if isinstance(answer, NotStripes) and answer.http_status == 402:\n"
                '        return Declined("card_declined")\n'
                "    if isinstance(answer, NotStripes):\n",
            ),
        ),
    ),
    WrongStack(
        "refunds-under-new-keys",
        "every request for a refund has a key of its own",
        _drill("refund-answers-lost", "cut"),
        (RedAnswer("refund-answers-lost/same-key", "under others"),),
        (
            Edit(
                _CALLS,
                "            key=body.key,\n            amount_cents=",
                '            key=__import__("secrets").token_hex(16),\n            amount_cents=',
            ),
        ),
    ),
)

WRONG_HEARERS_OF_NEWS: Final = (
    WrongStack(
        "the-reconciler-does-not-ask",
        "the reconciler asks Stripe about no charge whose answer was lost",
        _drill("webhooks-lost", "answers-lost"),
        (RedAnswer("webhooks-lost/struck-ended", "unknown"),),
        (
            Edit(
                "runtime/services/payments_reconciler/charges.py",
                "    for row in rows:\n        _ask_and_apply(tools, row)\n    return len(rows)\n",
                "    for row in rows:\n        _leave(tools, row)\n    return len(rows)\n",
            ),
        ),
    ),
    WrongStack(
        "forgeries-are-believed",
        "the receiver believes every webhook that has the shape of a signature",
        _drill("forged-webhooks", "table"),
        (
            RedAnswer("forged-webhooks/all-refused", "200"),
            RedAnswer("forged-webhooks/nothing-written", "stored"),
        ),
        ANY_SIGNATURE,
    ),
    WrongStack(
        "one-secret-alone",
        "the receiver accepts the newest secret and no other",
        _drill("secret-rotation", "overlap"),
        (RedAnswer("secret-rotation/overlap", "signed with the old: 400"),),
        (
            Edit(
                "runtime/services/webhook_receiver/intake.py",
                "verify(signatures, body, self.secrets.current(), now)",
                "verify(signatures, body, self.secrets.current()[:1], now)",
            ),
        ),
    ),
    WrongStack(
        "refunds-of-others-do-not-count",
        "what others gave back is not taken from what is owed",
        _drill("dashboard-money", "part"),
        (RedAnswer("dashboard-money/orders-refunded", "cancelled"),),
        (
            Edit(
                "runtime/domain/outside.py",
                "        return self.status not in _NOT_GIVEN\n",
                "        return self.status in _NOT_GIVEN\n",
            ),
        ),
    ),
    WrongStack(
        "early-news-is-dropped",
        "the receiver drops what it hears of a payment that is not there yet",
        _drill("webhooks-early", "before-our-row"),
        (RedAnswer("webhooks-early/webhooks-parked", "0 parked"),),
        (
            Edit(
                "runtime/services/webhook_receiver/intake.py",
                "                webhooks.keep_early(conn, event.stripe_event_id, effect.event_id,"
                ' "early")\n',
                "                webhooks.mark_processed(conn, event.stripe_event_id)\n",
            ),
        ),
    ),
    WrongStack(
        "late-news-undoes-an-end",
        "a payment that has succeeded is taken back to processing by late news",
        _drill("webhooks-out-of-order", "shuffled"),
        (RedAnswer("webhooks-out-of-order/no-regress", "succeeded > processing"),),
        (
            Edit(
                "runtime/domain/payment.py",
                "        case S.PENDING | S.UNKNOWN | S.PARKED:\n            return _seen_pending(",
                "        case S.PENDING | S.UNKNOWN | S.PARKED | S.SUCCEEDED:\n"
                "            return _seen_pending(",
            ),
        ),
    ),
    WrongStack(
        "records-known-are-taken-in-again",
        "the worker takes an order that it knows for a new one, and its record comes three times",
        _drill("duplicate-delivery", "records"),
        (RedAnswer("duplicate-delivery/no-regress", "charging"),),
        NO_INBOX,
    ),
)
