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

# Only where OTEL_EXPORTER_OTLP_ENDPOINT names a collector. All but `exported` are lost: no payment
# waits for a collector. queue_full: they came faster than they left; not_taken: it was away, or
# refused them.
TRACE_SPANS: Final = Counter(
    "bookpay_trace_spans_total",
    "Spans of traces, by what became of them (exported, queue_full, not_taken)",
    ["result"],
)

# --- whoever serves HTTP --------------------------------------------------------------------

# Rate, errors and duration of each edge. What no route takes, and what is refused before any is
# looked for, is route `other`: a path that a client made up must not become a series.
HTTP_REQUESTS: Final = Counter(
    "bookpay_http_requests_total",
    "HTTP requests answered, by route and status",
    ["route", "status"],
)
# To the first byte of the answer. The gateway's deadline is 30 s.
HTTP_SECONDS: Final = Histogram(
    "bookpay_http_request_seconds",
    "Time from a request's head to its answer, by route",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 40.0),
)
HTTP_THREADS_BUSY: Final = Gauge(
    "bookpay_http_threads_busy", "Threads that work on requests, of those the service has"
)

# --- whoever has a pool of connections --------------------------------------------------------

POOL_CONNECTIONS: Final = Gauge(
    "bookpay_pool_connections", "Connections to PostgreSQL in this process, by state", ["state"]
)
POOL_WAITING: Final = Gauge(
    "bookpay_pool_waiting", "Callers that wait for a connection to PostgreSQL"
)

# --- orders-service -------------------------------------------------------------------------

# Counted before the commit: a transaction that is tried again counts again.
ORDERS: Final = Counter(
    "bookpay_orders_total", "Orders that reached a status (pending: placed)", ["status"]
)
# From the row's own time of creation; what a customer waits for. The promise is 5 s.
ORDER_PAID_SECONDS: Final = Histogram(
    "bookpay_order_paid_seconds",
    "Time from an order's acceptance to its being paid",
    buckets=(0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0),
)

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

PUBLISHER_TERM: Final = Gauge(
    "bookpay_outbox_publisher_term", "Number of the term in which this process leads; 0 while not"
)

# 0 with BOOKPAY_PUBLISHER_MODE=wal means that the leader polls instead, and its log says why.
PUBLISHER_STREAMING: Final = Gauge(
    "bookpay_outbox_publisher_streaming", "1 while this process is told of rows by the log"
)
PUBLISHER_POLLS_INSTEAD: Final = Gauge(
    "bookpay_outbox_publisher_polls_instead",
    "1 while this process leads, was asked to stream the log (wal), and polls instead",
)
# Of the replication slot, as the leader sees it in whichever way it publishes: by its name, so that
# a process that does not lead, or finds no slot, has no series. `left` is what may be written
# before PostgreSQL gives the slot up (max_slot_wal_keep_size): infinite where nothing bounds it, 0
# where it has done so.
SLOT_RETAINED_BYTES: Final = Gauge(
    "bookpay_outbox_slot_retained_bytes",
    "Write-ahead log that PostgreSQL keeps for the publisher's slot",
    ["slot"],
)
SLOT_LEFT_BYTES: Final = Gauge(
    "bookpay_outbox_slot_left_bytes",
    "Write-ahead log that may be written before the slot is lost",
    ["slot"],
)

# --- every consumer -------------------------------------------------------------------------

# Of the partitions that this process reads: the sum over a group's processes is the group's.
CONSUMER_LAG: Final = Gauge(
    "bookpay_consumer_lag_records", "Records of a topic that are not handled yet", ["topic"]
)

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

# --- payments-gateway -----------------------------------------------------------------------

# In shadow mode. Of answers, not of payments: one that is asked for twice counts twice. What is to
# be 100 % is the table's to say, by `bookpayctl shadow report`.
SHADOW_ANSWERS: Final = Counter(
    "bookpay_shadow_answers_total",
    "Charges answered with v1's outcome, by whether ours agrees (agreed, differed, unresolved)",
    ["parity"],
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
