"""BP-C006: reading orders.placed again with a new group charges nobody.

The proof is not that Stripe would have answered the same: a replay must not get as far as Stripe.
The payments row is the guard, also long after Stripe has forgotten the keys.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.replay import ReplayError, replay


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Replay and count."""
    try:
        result = replay(
            inquiry.target,
            inquiry.run,
            records_max=inquiry.replay_records_max,
            deadline_seconds=max(60.0, inquiry.deadline_seconds),
        )
    except ReplayError as error:
        return cannot_tell(str(error), fix="bookpayctl logs payments-worker")
    examined = min(result.records, result.settled)
    return judged(result.problems(), result.sentence(), examined, result.evidence())


CHECK: Final = Check(
    id="BP-C006",
    title="replay from earliest charges nobody",
    question="Replay: a new consumer group with auto.offset.reset = earliest against orders.placed"
    " reprocesses cleanly without double-charging",
    required="every record reprocessed, 0 new executions and 0 new calls for settled keys",
    why="Replay is the last resort after a bug; it must be safe on the worst day, weeks later.",
    fix="bookpayctl replay --from earliest -o json; bookpayctl audit",
    ask=ask,
)
