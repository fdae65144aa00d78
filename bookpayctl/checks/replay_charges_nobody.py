"""BP-C006: reading orders.placed again with a new group charges nobody.

The proof is not that Stripe would have answered the same: a replay must not get as far as Stripe.
The payments row is the guard, also long after Stripe has forgotten the keys. A replay shows
nothing about an order whose record is gone, so the log is held against the settled orders, too, and
the topics against what they promised to keep. A log with orders that the ledger does not know is
not replayed at all: it would charge them, and that is what is found.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.replay.coverage import Coverage, read_coverage
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.ledger_cover import NotCoveredError
from bookpayctl.replay.live import Replayed, replay
from bookpayctl.report.verdict import Verdict


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Look at what the log covers, then replay and count."""
    coverage = None
    try:
        coverage = read_coverage(inquiry.environment)
        result = replay(
            inquiry.target,
            inquiry.run,
            inquiry.replay_range,
            deadline_seconds=max(60.0, inquiry.deadline_seconds),
        )
    except ReplayError as error:
        problems = coverage.problems() if coverage else []
        if isinstance(error, NotCoveredError):
            problems.append(str(error))
        if coverage and problems:
            # What is wrong stays wrong when the rest could not be asked.
            evidence = (coverage.evidence(), f"not replayed: {error}")
            return judged(problems, "", coverage.settled, evidence)
        return cannot_tell(str(error), fix="bookpayctl logs payments-worker")
    return answer_of(result, coverage)


def answer_of(result: Replayed, coverage: Coverage) -> CheckAnswer:
    """One answer of both: violated beats a warning, and a warning does not pass in silence."""
    examined = min(result.records, result.settled)
    problems = [*coverage.problems(), *result.problems()]
    evidence = (*result.evidence(), coverage.evidence())
    warnings = coverage.warnings()
    observed = "; ".join([result.sentence(), *warnings])
    if warnings and examined and not problems:
        return CheckAnswer(Verdict.WARNING, observed, examined, evidence)
    return judged(problems, observed, examined, evidence)


CHECK: Final = Check(
    id="BP-C006",
    title="replay from earliest charges nobody",
    question="Replay: a new consumer group with auto.offset.reset = earliest against orders.placed"
    " reprocesses cleanly without double-charging",
    required="every settled order in the log and reprocessed, 0 new executions and 0 new calls for"
    " settled keys; topics that keep their records",
    why="Replay is the last resort after a bug; it must be safe on the worst day, weeks later.",
    fix="bookpayctl replay --from earliest -o json; bookpayctl audit",
    ask=ask,
)
