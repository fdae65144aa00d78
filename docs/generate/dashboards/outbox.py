"""Whether events leave the database, and whether anybody reads them."""

from __future__ import annotations

from typing import Final

from docs.generate.dashboards.expressions import counted, increase, rate, waiting
from docs.generate.grafana import OURS, Dashboard, Panel, Query

OUTBOX: Final = Dashboard(
    "bookpay-outbox",
    "bookpay / outbox and Kafka",
    "Whether events leave the database, and whether anybody reads them.",
    {
        "Outbox": (
            Panel(
                "Oldest unpublished event",
                "s",
                "Age of the oldest event that is not published. Above a minute no order gets any "
                "further.",
                "outbox-backlog",
                (
                    Query(
                        counted(
                            "bookpay_waiting_oldest_seconds",
                            "what",
                            of=',what="outbox_unpublished"',
                        ),
                        "oldest",
                    ),
                ),
                8,
                60,
            ),
            Panel(
                "Unpublished events",
                "short",
                "Rows of the outbox that wait.",
                "outbox-backlog",
                (Query(waiting("outbox_unpublished"), "unpublished"),),
                8,
            ),
            Panel(
                "Drain rate",
                "short",
                "Events a second that the broker has acknowledged.",
                "outbox-backlog",
                (
                    Query(
                        f"sum(rate(bookpay_outbox_published_total{{{OURS}}}[$__rate_interval]))",
                        "published",
                    ),
                ),
                8,
            ),
            Panel(
                "Leaders",
                "short",
                "Publishers that hold the lock: one. None publishes nothing; two for long means "
                "that one is frozen or cut off.",
                "outbox-publisher-not-leading",
                (Query(f"sum(bookpay_outbox_publisher_leading{{{OURS}}})", "leading"),),
                red_from=2,
            ),
            Panel(
                "Term",
                "short",
                "Number of the term that leads. Steps are takeovers: a deploy makes some, a bad "
                "network many.",
                "outbox-publisher-two-leaders",
                (Query(f"max(bookpay_outbox_publisher_term{{{OURS}}})", "term"),),
            ),
            Panel(
                "Streaming",
                "short",
                "Leaders that the log tells of rows: one in WAL mode, none where rows are polled. "
                "Who was to stream and may not polls instead.",
                "outbox-publisher-polls-instead",
                (
                    Query(f"sum(bookpay_outbox_publisher_streaming{{{OURS}}})", "streaming"),
                    Query(
                        f"sum(bookpay_outbox_publisher_polls_instead{{{OURS}}})", "polls instead"
                    ),
                ),
            ),
            Panel(
                "Log kept for the slot",
                "bytes",
                "Write-ahead log that PostgreSQL keeps for the publisher, and how much more may be "
                "written before the slot is lost and rows are polled.",
                "outbox-slot-nearly-lost",
                (
                    Query(f"max(bookpay_outbox_slot_retained_bytes{{{OURS}}})", "kept"),
                    Query(f"min(bookpay_outbox_slot_left_bytes{{{OURS}}})", "to its end"),
                ),
            ),
        ),
        "Kafka": (
            Panel(
                "Lag",
                "short",
                "Records of a topic that are not handled yet, over all processes of its consumer.",
                "consumer-lag",
                (
                    Query(
                        f"sum by (app, topic) (bookpay_consumer_lag_records{{{OURS}}})",
                        "{{app}} {{topic}}",
                    ),
                ),
                red_from=1000,
            ),
            Panel(
                "Records handled",
                "short",
                "Records a second whose work is done.",
                "consumer-lag",
                (Query(rate("bookpay_consumer_records_total", "app, topic"), "{{app}} {{topic}}"),),
            ),
            Panel(
                "Records lost",
                "short",
                "Records that Kafka deleted before they were read, in the hour before. Any is "
                "too many.",
                "records-lost",
                (
                    Query(
                        increase("bookpay_consumer_records_lost_total", "app, topic", "1h"),
                        "{{app}} {{topic}}",
                    ),
                ),
                red_from=1,
            ),
            Panel(
                "Dead letters written",
                "short",
                "By who wrote them and why, in the quarter of an hour before.",
                "dead-letters",
                (
                    Query(
                        increase("bookpay_dead_letters_total", "source, reason", "15m"),
                        "{{source}} {{reason}}",
                    ),
                ),
                red_from=1,
            ),
        ),
    },
)
