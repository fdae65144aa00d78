"""What each setting of the runtime is for, in a sentence; `runtime.config` reads them."""

from __future__ import annotations

from typing import Final

# What each setting does, by the name it is read under; docs/configuration.md is made from this and
# from what `runtime.config` asks for.
MEANINGS: Final[dict[str, str]] = {
    "BOOKPAY_CHANGE_DATA_CAPTURE": "whether Debezium publishes: no row is ever marked, and one is"
    " published again by being inserted again",
    "BOOKPAY_DEFAULT_PAYMENT_METHOD": "payment method of an order that names none",
    "BOOKPAY_ENV": "this environment's name, in the metadata of everything made at Stripe: webhooks"
    " of another environment are quarantined",
    "BOOKPAY_EVENT_WINDOW_SECONDS": "how long an effect may be missing before its event is"
    " published again",
    "BOOKPAY_FAILPOINTS": "whether drills may arm failpoints in this process",
    "BOOKPAY_GATEWAY_THREADS": "charges that the gateway holds at once",
    "BOOKPAY_GATEWAY_TIMEOUT_SECONDS": "how long the gateway takes for one request; then it answers"
    " `unknown`",
    "BOOKPAY_HTTP_HOST": "address that HTTP, probes and metrics are served on",
    "BOOKPAY_HTTP_PORT": "port that HTTP, probes and metrics are served on",
    "BOOKPAY_LEASE_SECONDS": "how long an attempt may hold a payment before it is given up as"
    " unknown",
    "BOOKPAY_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    "BOOKPAY_MAIL_FROM": "sender of e-mail to customers",
    "BOOKPAY_ORDERS_BURST": "orders that one tenant may place at once, per process",
    "BOOKPAY_ORDERS_RATE_PER_SECOND": "orders a second that one tenant may place, per process",
    "BOOKPAY_PARKED_WEBHOOK_WINDOW_SECONDS": "how long a webhook may wait for the payment it is"
    " about before it is quarantined",
    "BOOKPAY_PROCESS_NAME": "name of this process, in leases and log lines; must survive a restart",
    "BOOKPAY_PUBLISHER_MODE": "how the outbox is read: poll asks for rows, wal is told of them by"
    " logical replication",
    "BOOKPAY_RUN_DIR": "folder for the evidence of a failpoint that the database could not take",
    "BOOKPAY_STRIPE_TIMEOUT_SECONDS": "how long one call of Stripe may take",
    "BOOKPAY_WEBHOOK_HOSTS": "host names that the receiver answers to, comma-separated; empty: any",
    "BOOKPAY_WEBHOOK_WINDOW_SECONDS": "how long a payment waits for Stripe's webhook before Stripe"
    " is asked",
    "BOOKPAY_WORKER_CONCURRENCY": "attempts that one worker has under way at once",
    "BOOKPAY_WORKER_HTTP_TIMEOUT_SECONDS": "how long a caller waits for the gateway",
    "DB_DSN": "PostgreSQL, as `postgresql://user@host:port/database`",
    "GATEWAY_TOKEN": "bearer token between the gateway and its callers",
    "GATEWAY_URL": "where the gateway is",
    "HOSTNAME": "name of this process when BOOKPAY_PROCESS_NAME is not set",
    "KAFKA_BOOTSTRAP_SERVERS": "Kafka, as `host:port`, comma-separated",
    "KAFKA_CA_FILE": "authorities that Kafka's certificate is trusted by, as PEM; set: over TLS",
    "KAFKA_PASSWORD": "its password, where KAFKA_USERNAME is set",
    "KAFKA_USERNAME": "user at Kafka, by SCRAM-SHA-512 over TLS; empty: nobody is asked",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector of traces, by OTLP over HTTP; empty: none are made",
    "SHADOW_MODE": "whether Stripe is only called to be compared, and v1's outcome decides",
    "SMTP_HOST": "mail server",
    "SMTP_PORT": "port of the mail server",
    "STRIPE_API_BASE": "where Stripe is: the twin, stripe-mock, or Stripe itself",
    "STRIPE_API_KEY": "the Stripe key; a live one is refused; the file is read again for each"
    " request",
    "STRIPE_WEBHOOK_SECRET": "signing secrets of webhooks, one a line or comma-separated; the file"
    " is read again for each request",
}
