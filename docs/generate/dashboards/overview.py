"""What a customer notices: rate, errors and duration of each edge, and what becomes of orders."""

from __future__ import annotations

from typing import Final

from docs.generate.dashboards.expressions import quantile, rate, waiting
from docs.generate.grafana import OURS, Dashboard, Panel, Query

_EDGES: Final = f'{OURS},route!="other"'

OVERVIEW: Final = Dashboard(
    "bookpay-overview",
    "bookpay / overview",
    "Rate, errors and duration of each edge, and what becomes of orders.",
    {
        "Edges": (
            Panel(
                "Requests",
                "reqps",
                "Requests a second by route. None at /stripe/webhook while orders are paid: "
                "Stripe's do not arrive.",
                "webhooks-stopped",
                (
                    Query(
                        rate("bookpay_http_requests_total", "app, route", of=_EDGES),
                        "{{app}} {{route}}",
                    ),
                ),
                8,
            ),
            Panel(
                "Answers of 5xx",
                "percentunit",
                "Share of answers that are a 5xx. The promise is one in a thousand.",
                "answers-of-5xx",
                (
                    Query(
                        "("
                        + rate(
                            "bookpay_http_requests_total",
                            "app, route",
                            of=f'{_EDGES},status=~"5.."',
                        )
                        + ") / "
                        + rate("bookpay_http_requests_total", "app, route", of=_EDGES),
                        "{{app}} {{route}}",
                    ),
                ),
                8,
                0.001,
            ),
            Panel(
                "Time to answer, p99",
                "s",
                "The slowest of a hundred answers by route. A charge takes as long as Stripe does.",
                "answers-of-5xx",
                (
                    Query(
                        quantile(0.99, "bookpay_http_request_seconds", "route", of=_EDGES),
                        "{{route}}",
                    ),
                ),
                8,
            ),
        ),
        "Orders": (
            Panel(
                "Orders by status",
                "short",
                "Orders a second that reached a status. Placed (pending) and paid run side by "
                "side; what is between them waits.",
                "payments-open-too-long",
                (Query(rate("bookpay_orders_total", "status"), "{{status}}"),),
            ),
            Panel(
                "From order to paid",
                "s",
                "What a customer waits for. 99 of 100 are paid within 5 s.",
                "payments-open-too-long",
                (
                    Query(quantile(0.5, "bookpay_order_paid_seconds"), "p50"),
                    Query(quantile(0.99, "bookpay_order_paid_seconds"), "p99"),
                ),
                red_from=5,
            ),
            Panel(
                "Orders that wait",
                "short",
                "Orders that are neither paid nor cancelled.",
                "payments-open-too-long",
                (Query(waiting("orders_pending"), "pending"),),
                8,
                stat=True,
            ),
            Panel(
                "Shed",
                "reqps",
                "Requests refused before the database was asked, by reason: a tenant's quota.",
                "answers-of-5xx",
                (Query(rate("bookpay_orders_shed_total", "reason"), "{{reason}}"),),
                8,
            ),
            Panel(
                "What runs",
                "short",
                "Processes by version and digest of their code: two of one service while a "
                "rollout is under way, and not for long.",
                "upgrade",
                (
                    Query(
                        f"count by (app, version, source) (bookpay_build_info{{{OURS}}})",
                        "{{app}} {{version}} {{source}}",
                    ),
                ),
                8,
            ),
        ),
    },
)
