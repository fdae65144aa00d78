"""publisher-crash: the leading publisher dies at each step of publishing, one leader after another.

Question: is an event lost or left behind when its publisher dies with it? Expected: orders are
accepted all the while, another publisher leads within the bound, and what the dead one had under
way is published, at worst twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.lost_events import marked_ones_in_log
from bookpayctl.faults.failpoint import FailpointFault, Hit
from bookpayctl.faults.fault import FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import Topic

EACH: Final = "each"

STEPS: Final = {
    "fetched": ("publisher.fetched_before_produce", "rows are read, not produced (F06)"),
    "produced": ("publisher.produced_ack_lost", "produced, no acknowledgement is here (F07)"),
    "acknowledged": ("publisher.acked_before_mark", "acknowledged, not marked (F08)"),
    "marked": ("publisher.marked", "marked as published (F09)"),
}
"""Point -> failpoint, and what has been done when the process dies."""

TAKEN_OVER_SECONDS_MAX: Final = 15.0

UNDER_WAY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class NextLeader:
    """A leader that died, and the term that began after it; None where none has."""

    publisher: str
    died_at: datetime
    next_publisher: str | None
    seconds: float | None

    @property
    def words(self) -> str:
        if self.seconds is None:
            return f"nobody after {self.publisher}"
        return f"{self.next_publisher} after {self.publisher}: {self.seconds:.1f} s"


class PublisherCrashScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        chosen = context.request.point
        self.deaths = {
            name: FailpointFault(
                context.target, context.run, prefix=f"{context.slug}/{name}", point=point
            )
            for name, (point, _) in STEPS.items()
            if chosen in (EACH, name)
        }
        self.takeovers: list[NextLeader] = []
        self.window: TimeAway | None = None

    @property
    def faults(self) -> tuple[FailpointFault, ...]:
        return tuple(self.deaths.values())

    def inject(self) -> None:
        """One after another: the next is armed when somebody leads again."""
        seconds_max = self.context.deadline_seconds
        for name, death in self.deaths.items():
            death.inject()
            hit = death.wait_for_hit(deadline_seconds=seconds_max)
            if hit is None:
                raise FaultError(f"no publisher came by {death.point} in {seconds_max:.0f} s")
            self.takeovers.append(self._wait_for_takeover(hit))
            self.context.observe(f"{name}: {self.takeovers[-1].words}")
        first = self.takeovers[0]
        last = self.takeovers[-1]
        self.window = TimeAway(
            first.died_at.timestamp(), last.died_at.timestamp() + (last.seconds or seconds_max)
        )

    def observe(self) -> list[Item]:
        """What is in the topics, who took over and when, and what clients saw."""
        # An event of shortly before may have been under way when its publisher died.
        since = self.takeovers[0].died_at - timedelta(seconds=UNDER_WAY_SECONDS)
        return [
            marked_ones_in_log(self.context, [topic.value for topic in Topic], since),
            self._taken_over(),
            *answers_during(self.context, self.window, refusing=False),
        ]

    def _wait_for_takeover(self, hit: Hit) -> NextLeader:
        return wait_until(
            lambda: _takeover(self.context, hit.process, hit.at),
            lambda seen: seen.seconds is not None,
            deadline_seconds=self.context.deadline_seconds,
        ).value

    def _taken_over(self) -> Item:
        slow = [
            one
            for one in self.takeovers
            if one.seconds is None or one.seconds > TAKEN_OVER_SECONDS_MAX
        ]
        slowest = max(
            (one.seconds for one in self.takeovers if one.seconds is not None), default=0.0
        )
        return self.context.judged(
            "taken-over",
            "another publisher took over",
            f"a new term within {TAKEN_OVER_SECONDS_MAX:.0f} s of each death",
            f"{len(self.takeovers) - len(slow)} of {len(self.takeovers)}, slowest {slowest:.1f} s",
            good=not slow,
            examined=len(self.takeovers),
            evidence=[one.words for one in self.takeovers],
            fix="bookpayctl logs outbox-publisher",
        )


def _takeover(context: DrillContext, publisher: str, died_at: datetime) -> NextLeader:
    with reading(context.environment.dsn) as conn:
        row = conn.execute(
            "SELECT publisher_id, extract(epoch FROM began_at - %(died)s)::float8"
            " FROM publisher_terms WHERE began_at > %(died)s ORDER BY term LIMIT 1",
            {"died": died_at},
        ).fetchone()
    return NextLeader(publisher, died_at, *(row or (None, None)))


DRILL: Final = Drill(
    slug="publisher-crash",
    question="the leading publisher dies in the middle of publishing: is an event lost or left"
    " behind, and who publishes the next one?",
    expected="orders accepted all the while, another leads soon, events at worst twice",
    blast_radius="one outbox-publisher process for each point, one after another",
    points={
        EACH: "all of them, one after another",
        **{n: words for n, (_, words) in STEPS.items()},
    },
    publisher_points=frozenset({EACH, *STEPS}),
    scenario=PublisherCrashScenario,
)
