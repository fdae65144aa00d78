"""Every metric of the runtime: name, help, labels, unit. No other module makes one.

Dashboards and alerts are written against this page, so a name that is here stays. Each process
serves only what its own service sets; a metric with labels appears with its first value.

Names follow Prometheus's conventions: our prefix, base units in the name, `_total` for counters.
A label's values are few and known beforehand: never an id, an amount or anything a client sent.

Source:
    Prometheus documentation, "Metric and label naming".
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# --- every process -------------------------------------------------------------------------

# One series of value 1: what matters are its labels. `source` is a digest of the code, which tells
# two images of one version apart.
BUILD: Final = Gauge(
    "bookpay_build_info",
    "Always 1: the version of the runtime that this process runs, and a digest of its source",
    ["version", "source"],
)

# --- orders-service -------------------------------------------------------------------------

ORDERS_SHED: Final = Counter(
    "bookpay_orders_shed_total",
    "Requests refused before the database was asked, by reason",
    ["reason"],
)

# --- outbox-publisher -----------------------------------------------------------------------

OUTBOX_PUBLISHED: Final = Counter(
    "bookpay_outbox_published_total", "Events acknowledged by the broker and marked"
)
# Summed over the processes: 1 in steady state, 0 between two leaders, and never 2 for long.
PUBLISHER_LEADING: Final = Gauge(
    "bookpay_outbox_publisher_leading", "1 while this process holds the publisher lock"
)

# --- every consumer -------------------------------------------------------------------------

RECORDS_CONSUMED: Final = Counter(
    "bookpay_consumer_records_total",
    "Kafka records whose work is done, buried ones included, by topic",
    ["topic"],
)
# A stretch is counted once; each has a dead letter, whose payload says from where and how many.
RECORDS_LOST: Final = Counter(
    "bookpay_consumer_records_lost_total",
    "Kafka records that were deleted before this consumer had read them, by topic",
    ["topic"],
)

# --- whoever writes dead letters ------------------------------------------------------------

# Counted where they are written, before the commit: a batch that is tried again counts again. How
# many there are is the table's to say, and `bookpay_waiting_items` says it. A reason is a word of
# ours, a class of error, or an error code of Stripe's: dozens, not thousands.
DEAD_LETTERS: Final = Counter(
    "bookpay_dead_letters_total",
    "Dead letters written, by who wrote them and why",
    ["source", "reason"],
)

# --- payments-worker ------------------------------------------------------------------------

PAYMENT_ATTEMPTS: Final = Counter(
    "bookpay_payment_attempts_total",
    "Calls to the gateway, by operation (charge, refund) and outcome",
    ["operation", "outcome"],
)
# The default buckets end at 10 s; what matters here ends at the worker's own deadline of 40 s.
GATEWAY_SECONDS: Final = Histogram(
    "bookpay_gateway_request_seconds",
    "Time from asking the gateway to its answer, by operation",
    ["operation"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0),
)
ATTEMPTS_IN_FLIGHT: Final = Gauge(
    "bookpay_payment_attempts_in_flight", "Attempts under way in this process"
)
STRIPE_CIRCUIT_OPEN: Final = Gauge(
    "bookpay_stripe_circuit_open", "1 while Stripe refuses our credentials"
)

# --- payments-webhook-receiver --------------------------------------------------------------

WEBHOOK_REQUESTS: Final = Counter(
    "bookpay_webhook_requests_total",
    "Webhook requests, by the code of their answer (received, signature_invalid, ...)",
    ["code"],
)

# --- payments-reconciler --------------------------------------------------------------------

# The backlog is counted in the ledger, by each replica alike: take the maximum, not the sum.
# Autoscaling rules know these two by their bare names; they alone have no prefix.
PAYMENTS_OPEN: Final = Gauge("payments_open", "Payments that are not final, by state", ["state"])
PAYMENTS_OPEN_OLDEST_SECONDS: Final = Gauge(
    "payments_open_oldest_seconds", "Age of the oldest payment that is not final", ["state"]
)
WAITING_ITEMS: Final = Gauge(
    "bookpay_waiting_items",
    "Other rows that are open or wait for an operator (refunds_open, dead_letters, ...)",
    ["what"],
)
WAITING_OLDEST_SECONDS: Final = Gauge(
    "bookpay_waiting_oldest_seconds", "Age of the oldest row of its kind", ["what"]
)
