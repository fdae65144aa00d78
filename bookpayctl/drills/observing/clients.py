"""What a drill's clients saw while a part was away: each answer, and how soon it came."""

from __future__ import annotations

from collections import Counter
from typing import Final

from bookpayctl.clients.orders_api import NOT_SENT, Outcome
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.faults.process import TimeAway
from bookpayctl.load.history import TimedCall, calls_between
from bookpayctl.report.verdict import Item

# A client that gets no answer in this long would call it hanging.
ANSWER_SECONDS_MAX: Final = 12.0

# Answers that say "later", or none: nobody was told that the order has failed.
SERVICE_UNAVAILABLE: Final = 503
_LATER: Final = frozenset({SERVICE_UNAVAILABLE, None})

ACCEPTED: Final = "every order placed meanwhile accepted"
REFUSED_CLEARLY: Final = (
    "every order placed meanwhile accepted, or answered 503 with Retry-After, or by a closed"
    " connection; none failed for good"
)


def answers_during(context: DrillContext, window: TimeAway | None, *, refusing: bool) -> list[Item]:
    """Items about the calls of this run that were sent within the window.

    Args:
        window: when the fault was there; None when it never was.
        refusing: whether orders are refused while this part is away, instead of accepted.

    Raises:
        LookupError: there was no fault that clients could have met.
    """
    if window is None:
        raise LookupError("the fault was never there")
    with context.run.history_path.open(encoding="utf-8") as lines:
        calls = calls_between(lines, window.began_at, window.ended_at)
    title = "orders were refused clearly" if refusing else "orders were accepted"
    required = REFUSED_CLEARLY if refusing else ACCEPTED
    if not calls:
        reason = "no order was placed while it was away"
        return [context.unanswered("orders-answered", title, required, reason)]
    bad = [call for call in calls if not is_right(call, refusing=refusing)]
    answers = Counter(f"{call.outcome} {call.status or 'no answer'}" for call in calls)
    slowest = max(call.seconds for call in calls)
    return [
        context.judged(
            "orders-answered",
            title,
            required,
            ", ".join(f"{count} x {what}" for what, count in answers.most_common()),
            good=not bad,
            examined=len(calls),
            evidence=[
                f"{call.key}: {call.status} {call.code}, Retry-After {call.retry_after}"
                for call in bad[:5]
            ],
            fix="bookpayctl logs orders-service",
        ),
        context.judged(
            "nobody-hung",
            "nobody hung",
            f"every answer within {ANSWER_SECONDS_MAX:.0f} s",
            f"slowest answer after {slowest:.2f} s",
            good=slowest <= ANSWER_SECONDS_MAX,
            examined=len(calls),
        ),
    ]


def is_right(call: TimedCall, *, refusing: bool) -> bool:
    """Whether a client was answered as it was promised. Pure.

    Args:
        refusing: orders may be refused for now: by 503, which says when to come again, or by a
            connection that is closed or not made.
    """
    if call.outcome is Outcome.OK:
        return True
    later = call.outcome is Outcome.UNKNOWN and call.status in _LATER
    if call.status == SERVICE_UNAVAILABLE and not call.retry_after:
        return False
    # No connection: nothing can have been done, and the client knows it.
    return refusing and (later or call.code == NOT_SENT)
