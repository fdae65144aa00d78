"""one-way-partition: the publishers' records reach Kafka, and Kafka's word does not reach them.

Expected: nothing is called published without the broker's word, so everything is sent again when
it is heard again; records may be there twice, and none is missing. Orders are accepted meanwhile.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import Drill, DrillContext
from bookpayctl.drill.sick_link import SickLinkScenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.report.verdict import Item
from bookpayctl.targets.link import Link
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity
from runtime.domain.names import Service

SHORT, LONG = "short", "long"

# A record that is not acknowledged is given up after 30 s and read from the outbox again.
SECONDS: Final = {SHORT: 12.0, LONG: 36.0}

# What was acknowledged before may be marked as much later: by a commit, and it is gathered first.
ON_THE_WAY_SECONDS: Final = 1.5

PUBLISHER_TO_KAFKA: Final = Link("publisher-to-kafka", (Service.PUBLISHER.value,), "kafka")


class OneWayScenario(SickLinkScenario):
    def __init__(self, context: DrillContext) -> None:
        seconds = SECONDS[context.request.point]
        toxic = Toxic(Toxicity.BLACK_HOLE, seconds, Direction.TO_CALLER)
        super().__init__(context, PUBLISHER_TO_KAFKA, toxic)

    def observe(self) -> list[Item]:
        """What clients saw of it, and what the outbox called published without having heard."""
        answered = answers_during(self.context, self.sick.window, refusing=False)
        return [*answered, self._marked_item()]

    def _marked_item(self) -> Item:
        window = self.sick.window
        if window is None:
            raise LookupError("the fault was never there")
        deaf_from = window.began_at + ON_THE_WAY_SECONDS
        with reading(self.context.environment.dsn) as conn:
            row = conn.execute(
                "SELECT count(*), count(*) FILTER (WHERE published_at BETWEEN to_timestamp(%s)"
                " AND to_timestamp(%s)) FROM outbox"
                " WHERE created_at BETWEEN to_timestamp(%s) AND to_timestamp(%s)",
                (deaf_from, window.ended_at, deaf_from, window.ended_at),
            ).fetchone()
        written, marked = (0, 0) if row is None else (int(row[0]), int(row[1]))
        return self.context.judged(
            "none-marked",
            "nothing was called published without Kafka's word",
            "no event marked as published while nothing was heard of the broker",
            f"{written} events written meanwhile, {marked} of them marked",
            good=marked == 0,
            examined=written,
            fix="bookpayctl logs outbox-publisher",
        )


DRILL: Final = Drill(
    slug="one-way-partition",
    question="Kafka takes the publishers' records and its acknowledgements are lost: is an event"
    " lost, or called published though nobody said so?",
    expected="nothing is marked meanwhile; afterwards all is sent again: duplicates, none missing",
    blast_radius="the answers of Kafka to the publishers are thrown away for a while, then their"
    " connections are reset; the publishers are restarted before and after",
    points={
        SHORT: f"{SECONDS[SHORT]:.0f} s, within the patience of Kafka's client",
        LONG: f"{SECONDS[LONG]:.0f} s: the client gives up, the outbox is read again"
        " (load: --duration 44s)",
    },
    publisher_points=frozenset({SHORT, LONG}),
    scenario=OneWayScenario,
    platforms=(LOCAL,),
)
