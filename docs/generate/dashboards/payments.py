"""Whose money is on its way, what Stripe says, and what waits for a person."""

from __future__ import annotations

from typing import Final

from docs.generate.dashboards.expressions import counted, quantile, rate, waiting
from docs.generate.grafana import OURS, Dashboard, Panel, Query

PAYMENTS: Final = Dashboard(
    "bookpay-payments",
    "bookpay / payments and webhooks",
    "Whose money is on its way, what Stripe says, and what waits for a person.",
    {
        "Payments": (
            Panel(
                "Open payments by state",
                "short",
                "Payments that are not final. Parked ones wait for a person.",
                "payments-open-too-long",
                (Query(counted("payments_open", "state"), "{{state}}"),),
            ),
            Panel(
                "Oldest open payment by state",
                "s",
                "Ten minutes of pending, charging or unknown wake somebody; processing is the "
                "bank's to end.",
                "payments-open-too-long",
                (Query(counted("payments_open_oldest_seconds", "state"), "{{state}}"),),
            ),
            Panel(
                "Unknown",
                "short",
                "Charges of which nobody knows yet whether they were executed. They are asked "
                "about, never sent under another key.",
                "stripe-down",
                (Query(counted("payments_open", "state", of=',state="unknown"'), "unknown"),),
                6,
                1,
                stat=True,
            ),
            Panel(
                "Circuit",
                "short",
                "1 while Stripe refuses our credentials: nothing is charged, nobody is cancelled.",
                "stripe-circuit-open",
                (Query(f"max(bookpay_stripe_circuit_open{{{OURS}}})", "open"),),
                6,
                1,
                stat=True,
            ),
            Panel(
                "Refunds owed",
                "short",
                "Refunds that are under way, and those that failed and wait for a person.",
                "refund-failed",
                (Query(waiting("refunds_open", "refunds_failed"), "{{what}}"),),
                6,
                stat=True,
            ),
            Panel(
                "Disputes",
                "short",
                "Open ones, and those that were lost.",
                "refund-failed",
                (Query(waiting("disputes_open", "disputes_lost"), "{{what}}"),),
                6,
                stat=True,
            ),
            Panel(
                "Attempts by outcome",
                "short",
                "Calls of the gateway a second, by operation and outcome.",
                "stripe-down",
                (
                    Query(
                        rate("bookpay_payment_attempts_total", "operation, outcome"),
                        "{{operation}} {{outcome}}",
                    ),
                ),
            ),
            Panel(
                "Time of a call, p50 and p99",
                "s",
                "From asking the gateway to its answer. The worker gives up after 40 s.",
                "stripe-down",
                (
                    Query(
                        quantile(0.5, "bookpay_gateway_request_seconds", "operation"),
                        "{{operation}} p50",
                    ),
                    Query(
                        quantile(0.99, "bookpay_gateway_request_seconds", "operation"),
                        "{{operation}} p99",
                    ),
                ),
            ),
        ),
        "Webhooks": (
            Panel(
                "Webhooks by answer",
                "reqps",
                "What is received is Stripe's; signature_invalid is a forger, or a secret that was "
                "rolled without us.",
                "webhooks-refused",
                (Query(rate("bookpay_webhook_requests_total", "code"), "{{code}}"),),
            ),
            Panel(
                "Set aside",
                "short",
                "Webhooks that came before their payment (early) or contradict it (quarantined).",
                "webhooks-quarantined",
                (Query(waiting("webhooks_early", "webhooks_quarantined"), "{{what}}"),),
            ),
        ),
        "For a person": (
            Panel(
                "Dead letters that wait",
                "short",
                "Records and rows that no retry mends.",
                "dead-letters",
                (Query(waiting("dead_letters"), "dead letters"),),
                red_from=1,
            ),
            Panel(
                "Age of what waits",
                "s",
                "Since when the oldest of each kind has waited.",
                "dead-letters",
                (
                    Query(
                        counted(
                            "bookpay_waiting_oldest_seconds",
                            "what",
                            of=',what!="outbox_unpublished"',
                        ),
                        "{{what}}",
                    ),
                ),
            ),
        ),
    },
)
