"""Wrong runtimes: keys that do not last, and signatures that nobody looks at."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit

_CALLS: Final = "runtime/services/payments_gateway/calls.py"
_ATTEMPT: Final = "runtime/services/payments_worker/attempt.py"
_CLIENT: Final = "runtime/adapters/gateway_client.py"

CRASH_MID_CHARGE: Final = ("drill", "run", "crash-mid-charge", "--duration", "3s", "--timeout")

NEW_KEY_EACH_TIME: Final = (
    Edit(
        _CALLS,
        "from dataclasses import dataclass\n\nfrom runtime import config",
        "from dataclasses import dataclass\nfrom uuid import uuid4\n\nfrom runtime import config",
    ),
    Edit(
        _CALLS,
        "        key=str(body.event_id),\n        money=",
        "        key=str(uuid4()),\n        money=",
    ),
)

KEY_WITH_ATTEMPT: Final = (
    Edit(
        _ATTEMPT,
        "            row.payment_method,\n        )\n",
        "            row.payment_method,\n            row.started_attempts,\n        )\n",
    ),
    Edit(
        _CLIENT,
        "    payment_method: str | None\n\n\n@dataclass(frozen=True, slots=True)\n"
        "class GatewayAnswer:",
        "    payment_method: str | None\n    attempt: int = 0\n\n\n"
        "@dataclass(frozen=True, slots=True)\nclass GatewayAnswer:",
    ),
    Edit(
        _CLIENT,
        '            "currency": request.money.currency,\n        }\n',
        '            "currency": request.money.currency,\n            "attempt": request.attempt,\n'
        "        }\n",
    ),
    Edit(
        "runtime/services/payments_gateway/schema.py",
        "    payment_method: Text | None = None\n",
        "    payment_method: Text | None = None\n    attempt: int = 0\n",
    ),
    Edit(
        _CALLS,
        "        key=str(body.event_id),\n        money=",
        '        key=f"{body.event_id}:{body.attempt}" if body.attempt else str(body.event_id),'
        "\n        money=",
    ),
)

ANY_SIGNATURE: Final = (
    Edit(
        "runtime/domain/signature.py",
        "        return Verified.INVALID\n",
        "        return Verified.GENUINE\n",
    ),
)

_SLOW_TO_WRITE_DOWN: Final = Edit(
    _ATTEMPT,
    '        metrics.PAYMENT_ATTEMPTS.labels("charge", ',
    '        __import__("time").sleep(0.5)\n        metrics.PAYMENT_ATTEMPTS.labels("charge", ',
)
"""Half a second between Stripe's answer and its row, in which a death can fall."""

_TWICE: Final = (RedAnswer("I10", "succeeded charges"), RedAnswer("I24", ""))

WRONG_KEYS_AND_SIGNATURES: Final = (
    WrongStack(
        "new-key-each-time",
        "the gateway makes up a key for every request to Stripe",
        ("check", "--only", "BP-C003"),
        (RedAnswer("BP-C003", "no event_id"),),
        NEW_KEY_EACH_TIME,
    ),
    WrongStack(
        "new-key-after-a-crash",
        "the gateway makes up a key for every request to Stripe, and a worker dies",
        (*CRASH_MID_CHARGE, "20s"),
        (RedAnswer("crash-mid-charge/charged-once", ""), *_TWICE),
        NEW_KEY_EACH_TIME,
    ),
    WrongStack(
        "key-with-the-attempt",
        "the key of a charge that is repeated has the number of the attempt in it",
        (*CRASH_MID_CHARGE, "20s"),
        (RedAnswer("crash-mid-charge/charged-once", ""), *_TWICE),
        KEY_WITH_ATTEMPT,
    ),
    WrongStack(
        "new-key-in-a-storm",
        "every request to Stripe has a new key, its answer is written down half a second later,"
        " and processes die",
        ("drill", "run", "kill-storm", "--at", "services", "--duration", "15s", "--timeout", "40s"),
        _TWICE,
        (*NEW_KEY_EACH_TIME, _SLOW_TO_WRITE_DOWN),
    ),
    WrongStack(
        "new-key-when-answers-are-lost",
        "every request to Stripe has a new key, and a storm loses Stripe's answers",
        (
            *("drill", "run", "storm", "--at", "stripe", "--seed", "10"),
            *("--duration", "50s", "--timeout", "60s"),
        ),
        (RedAnswer("I10", "succeeded charges"),),
        NEW_KEY_EACH_TIME,
    ),
    WrongStack(
        "no-signature-check",
        "the receiver believes every webhook that has the shape of a signature",
        ("check", "--only", "BP-C004"),
        (RedAnswer("BP-C004", "forged"),),
        ANY_SIGNATURE,
    ),
)
