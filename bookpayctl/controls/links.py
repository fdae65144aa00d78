"""Wrong runtimes that a sick network shows: what is believed, or waited for, without an answer."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit
from bookpayctl.controls.events_and_orders import MARKED_WITHOUT_ACKNOWLEDGEMENT
from bookpayctl.controls.keys_and_signatures import KEY_WITH_ATTEMPT

_UNTIL_REST: Final = ("--timeout", "40s")

WRONG_ON_LINKS: Final = (
    WrongStack(
        "no-answer-is-a-refusal",
        "a charge that Stripe did not answer is called declined",
        ("drill", "run", "partition", "--at", "stripe-twin", "--duration", "16s", *_UNTIL_REST),
        (RedAnswer("partition/never-failed", ""),),
        (
            Edit(
                "runtime/domain/stripe_answers.py",
                '    return Unknown("no answer") if answer.sent else ',
                '    return Declined("no_answer") if answer.sent else ',
            ),
        ),
    ),
    WrongStack(
        "key-with-the-attempt-when-cut-off",
        "the key of a charge that is repeated has the number of the attempt in it, and Stripe's"
        " answers break off",
        ("drill", "run", "slow-stripe", "--at", "cut-off", "--duration", "22s", *_UNTIL_REST),
        (RedAnswer("slow-stripe/one-key-each", ""), RedAnswer("slow-stripe/charged-once", "")),
        KEY_WITH_ATTEMPT,
    ),
    WrongStack(
        "marked-without-an-answer",
        "the publisher marks an event as published when it has given up sending it, and Kafka's"
        " acknowledgements are lost",
        ("drill", "run", "one-way-partition", "--duration", "18s", *_UNTIL_REST),
        (RedAnswer("one-way-partition/none-marked", ""),),
        MARKED_WITHOUT_ACKNOWLEDGEMENT,
    ),
    WrongStack(
        "key-with-the-attempt-when-clogged",
        "the key of a charge that is repeated has the number of the attempt in it, and what was"
        " sent arrives late",
        # By this seed the way to Stripe clogs first and is the last to come free.
        ("drill", "run", "clogged-links", "--seed", "297", "--duration", "22s", *_UNTIL_REST),
        (RedAnswer("clogged-links/charged-once", ""),),
        KEY_WITH_ATTEMPT,
    ),
)
