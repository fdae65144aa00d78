"""Wrong receivers: what is believed though nobody may believe it, and what is turned away."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import Edit
from bookpayctl.controls.events_and_orders import PAID

_SERVICE: Final = "runtime/services/webhook_receiver/service.py"
_SIGNATURE: Final = "runtime/domain/signature.py"

UNSIGNED: Final = (
    *(f"W{number:02}" for number in (*range(1, 12), 13, 14, 16, 17)),
    *(f"W{number:02}" for number in range(23, 29)),
)
"""Cases that a receiver must refuse for their signature."""

ANY_AGE: Final = (
    Edit(
        _SIGNATURE,
        """    if age > TOLERANCE_SECONDS:
        return Verified.EXPIRED
    if age < -TOLERANCE_SECONDS:
        return Verified.FUTURE
""",
        """    if age != age:
        return Verified.EXPIRED
""",
    ),
)

ANY_AMOUNT: Final = (
    Edit(
        "runtime/steps/webhook.py",
        """    if theirs is None or theirs.amount_cents != ours.amount_cents:
        return "amount"
    return None if theirs == ours else "currency"
""",
        """    if theirs is None or theirs.currency == ours.currency:
        return None
    return "currency"
""",
    ),
)

READ_LOOSELY: Final = (
    Edit(
        "runtime/domain/stripe_event.py",
        """        document = strict_json.parse(body, depth_max=DEPTH_MAX)
    except strict_json.NotStrictError:
        return Invalid()
""",
        """        document = strict_json.json.loads(body.decode("utf-8-sig", "replace"))
    except ValueError:
        return Odd("not_json")
""",
    ),
)

NO_QUARANTINE: Final = (
    Edit(
        "runtime/adapters/store/webhooks.py",
        """    conn.execute(
        "INSERT INTO webhook_quarantine (reason, body, headers) VALUES (%s, %s, %s)",
        (reason, body, json.dumps(dict(headers))),
    )
""",
        "    del conn, reason, body, headers\n",
    ),
)

ANY_REQUEST: Final = (
    Edit(
        _SERVICE,
        "    @app.post(PATH, openapi_extra=RECEIVE)\n",
        '    @app.api_route(PATH, methods=["POST", "PUT", "PATCH", "DELETE"])\n',
    ),
    Edit(_SERVICE, "BODY_BYTES_MAX: Final = 1024 * 1024\n", "BODY_BYTES_MAX: Final = 2**26\n"),
    Edit(_SERVICE, 'request.scope["raw_path"] != PATH.encode() or not', "not"),
    Edit(
        "runtime/adapters/http/serving.py",
        """    if media_type != "application/json" or "content-encoding" in headers:
        return BodyFault.CONTENT_TYPE
""",
        "    del media_type\n",
    ),
)

TOO_STRICT: Final = (
    Edit(_SIGNATURE, "    if age > TOLERANCE_SECONDS:\n", "    if age > 60:\n"),
    Edit(
        _SIGNATURE,
        "        for signature in signatures:\n",
        "        for signature in signatures[:1]:\n",
    ),
    Edit(
        "runtime/adapters/store/webhooks.py",
        "    return Stored.DUPLICATE if known and known[0] else Stored.OTHER_BODY\n",
        "    return Stored.OTHER_BODY if known else Stored.DUPLICATE\n",
    ),
    Edit(
        "runtime/services/webhook_receiver/intake.py",
        '        if odd.reason == "thin_event":\n',
        '        if odd.reason == "never":\n',
    ),
    Edit(
        "runtime/steps/webhook.py",
        '            return Done("ignored")\n',
        """            known = event.type.startswith(("customer.", "charge.", "payment_intent."))
            return Done("ignored") if known else Quarantined("type")
""",
    ),
    Edit(
        "runtime/steps/webhook.py",
        """    if isinstance(applied, Refused):
        return Quarantined("other_payment_intent")
""",
        """    if not isinstance(applied, payment.Step):
        return Quarantined("no_news")
""",
    ),
)


def _forge(*cases: str) -> tuple[str, ...]:
    return ("webhook", "forge", *(word for case in cases for word in ("--case", case)))


WRONG_RECEIVERS: Final = (
    WrongStack(
        "webhooks-without-signatures",
        "the receiver verifies a signature and does not care what came of it",
        _forge(*UNSIGNED),
        tuple(
            # Bytes that are no JSON are refused all the same, and for another reason.
            RedAnswer(case, "answered 400" if case == "W28" else "answered 200")
            for case in UNSIGNED
        ),
        (
            Edit(
                "runtime/services/webhook_receiver/intake.py",
                "        if verified is not Verified.GENUINE:\n"
                "            return REFUSALS[verified]\n",
                "",
            ),
        ),
    ),
    WrongStack(
        "webhooks-of-any-age",
        "the receiver believes a signature however old it is",
        _forge("W11", "W13"),
        (RedAnswer("W11", "answered 200"), RedAnswer("W13", "answered 200")),
        ANY_AGE,
    ),
    WrongStack(
        "webhooks-of-any-amount",
        "a webhook pays an order whatever amount it names",
        _forge("W40"),
        (RedAnswer("W40", "a cent less"),),
        ANY_AMOUNT,
        before=(PAID,),
    ),
    WrongStack(
        "webhooks-read-loosely",
        "the receiver makes of a body what it can, and sets aside what it cannot read",
        _forge("W29", "W30", "W32", "W33", "W34"),
        (
            RedAnswer("W29", "bytes that are no UTF-8: answered 200"),
            RedAnswer("W30", "a BOM: answered 200"),
            RedAnswer("W32", "arrays 5,000 deep: answered"),
            RedAnswer("W33", "a name twice: answered 200"),
            RedAnswer("W34", "an integer beyond 2**53: answered 200"),
        ),
        READ_LOOSELY,
    ),
    WrongStack(
        "webhooks-not-quarantined",
        "the receiver says that a webhook is set aside, and keeps nothing of it",
        _forge("W19", "W31", "W35", "W36", "W39", "W40", "W41"),
        (
            RedAnswer("W19", "the same id, another body: left 0 stored, 0 quarantined"),
            RedAnswer("W31", "null: left 0 stored, 0 quarantined"),
            RedAnswer("W35", "NUL: left 0 stored, 0 quarantined"),
            RedAnswer("W36", "no id: left 0 stored, 0 quarantined"),
            RedAnswer("W39", "live mode: left 1 stored, 0 quarantined"),
            RedAnswer("W40", "a cent less: left 1 stored, 0 quarantined"),
            RedAnswer("W41", "no metadata of ours: left 1 stored, 0 quarantined"),
        ),
        NO_QUARANTINE,
    ),
    WrongStack(
        "webhooks-by-any-request",
        "the receiver takes any method, type and size, and any spelling of its path",
        _forge("W20", "W21", "W22", "W44"),
        (
            RedAnswer("W20", "PUT: answered 200"),
            RedAnswer("W21", "text/plain: answered 200"),
            RedAnswer("W22", "one byte over 1 MiB: answered 400"),
            RedAnswer("W44", "the path /stripe%2fwebhook: answered 200"),
        ),
        ANY_REQUEST,
    ),
    WrongStack(
        "webhooks-turned-away",
        "the receiver refuses, or sets aside, what Stripe sends by right",
        _forge("W12", "W15", "W18", "W37", "W38", "W42"),
        (
            RedAnswer("W12", "299 s old: answered 400"),
            RedAnswer("W15", "with a bad v1, then a good one: answered 400"),
            RedAnswer("W18", "an exact replay: left 1 stored, 1 quarantined"),
            RedAnswer("W37", "a thin event: left 0 stored, 1 quarantined"),
            RedAnswer("W38", "a type nobody knows: left 1 stored, 1 quarantined"),
            RedAnswer("W42", "a success after the end: left 1 stored, 1 quarantined"),
        ),
        TOO_STRICT,
    ),
)
