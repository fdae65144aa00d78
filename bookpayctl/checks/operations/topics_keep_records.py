"""BP-O005: the topics are all there, and keep records for as long as a replay may need them."""

from __future__ import annotations

from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.clients.kafka import BrokerError
from bookpayctl.judge.readers.kafka import read_topics
from bookpayctl.judge.topics import RETENTION_MIN, topic_violations


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask the broker how the topics are set, and the judge's invariant what it says to that."""
    try:
        topics = read_topics(inquiry.environment.kafka)
    except BrokerError as error:
        return cannot_tell(str(error), fix="bookpayctl status")
    problems = [f"{found.subject}: {found.detail}" for found in topic_violations(topics)]
    kept = ", ".join(f"{topic.name} {_days(topic.retention_ms)}" for topic in topics)
    return judged(problems, f"{len(topics)} topics", len(topics), (f"kept for: {kept}",))


def _days(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"{milliseconds / 86_400_000:.0f} d"


CHECK: Final = Check(
    id="BP-O005",
    title="the topics keep their records",
    question="Can what happened be replayed, for as long as a bug may stay undetected?",
    required=f"every topic exists, deletes by age, and keeps records for {RETENTION_MIN.days} d or"
    " more",
    why="A record that was compacted or dropped can never be replayed, and nobody misses it.",
    fix="bookpayctl explain I31",
    ask=ask,
    category=Category.OPERATIONS,
)
