-- Orders, stock, payments and what is needed to prove what happened to them.
-- Runs after outbox-ddl.sql, in one transaction, with search_path set to bookstore_platform.
-- Money is integer minor units beside a lower-case ISO 4217 code. Impossible states are constraints.

CREATE TABLE inventory (
    sku              text   PRIMARY KEY,
    title            text   NOT NULL,
    unit_price_cents bigint NOT NULL CHECK (unit_price_cents > 0),
    currency         text   NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    initial          bigint NOT NULL CHECK (initial >= 0),
    on_hand          bigint NOT NULL CHECK (on_hand >= 0),
    reserved         bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    sold             bigint NOT NULL DEFAULT 0 CHECK (sold >= 0),
    CONSTRAINT inventory_conserved_check CHECK (initial = on_hand + reserved + sold)
);

CREATE TABLE orders (
    id                    text        PRIMARY KEY,
    tenant_id             text        NOT NULL,
    customer_id           text        NOT NULL DEFAULT '',
    -- The most Stripe takes in one charge.
    total_cents           bigint      NOT NULL CHECK (total_cents BETWEEN 1 AND 99999999),
    currency              text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    status                text        NOT NULL DEFAULT 'pending'
                          CHECK (status IN ('pending', 'paid', 'cancelled', 'refunded')),
    cancel_reason         text        NULL,
    event_id              uuid        NULL,
    payment_method        text        NULL,
    client_key            text        NULL,
    client_request_sha256 bytea       NULL,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT orders_client_key_check CHECK ((client_key IS NULL) = (client_request_sha256 IS NULL)),
    CONSTRAINT orders_cancel_reason_check CHECK (status = 'pending' OR status = 'paid' OR cancel_reason IS NOT NULL)
);
-- One order per client key and tenant: the second request finds the first one's order.
CREATE UNIQUE INDEX orders_tenant_id_client_key_key ON orders (tenant_id, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX orders_created_at_idx ON orders (created_at);

CREATE TABLE order_events (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   text        NOT NULL,
    from_state text        NULL,
    to_state   text        NOT NULL,
    cause      text        NOT NULL,
    cause_id   text        NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX order_events_order_id_idx ON order_events (order_id);

CREATE TABLE reservations (
    order_id text   NOT NULL REFERENCES orders (id),
    sku      text   NOT NULL REFERENCES inventory (sku),
    quantity bigint NOT NULL CHECK (quantity > 0),
    state    text   NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'sold', 'released')),
    PRIMARY KEY (order_id, sku)
);

CREATE TABLE payments (
    event_id            uuid        PRIMARY KEY,
    order_id            text        NOT NULL UNIQUE,
    tenant_id           text        NOT NULL,
    amount_cents        bigint      NOT NULL CHECK (amount_cents BETWEEN 1 AND 99999999),
    currency            text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    payment_method      text        NULL,
    state               text        NOT NULL CHECK (state IN ('pending', 'charging', 'processing', 'unknown',
                                    'parked', 'succeeded', 'failed', 'refunding', 'refunded')),
    payment_intent_id   text        NULL UNIQUE,
    failure_code        text        NULL,
    -- Why a later success must be given back instead of granted; null while the order wants the money.
    cancel_requested_at timestamptz NULL,
    started_attempts    integer     NOT NULL DEFAULT 0,
    finished_attempts   integer     NOT NULL DEFAULT 0,
    transient_failures  integer     NOT NULL DEFAULT 0,
    -- An attempt ended without an answer, so Stripe may hold a charge we have not seen.
    maybe_executed      boolean     NOT NULL DEFAULT false,
    -- Stripe replayed a saved 5xx: the same key will never answer anything else.
    saved_failure       boolean     NOT NULL DEFAULT false,
    -- Look at Stripe before posting again.
    needs_reconcile     boolean     NOT NULL DEFAULT false,
    first_attempted_at  timestamptz NULL,
    last_attempted_at   timestamptz NULL,
    next_attempt_at     timestamptz NOT NULL DEFAULT now(),
    lease_owner         text        NULL,
    lease_incarnation   uuid        NULL,
    lease_token         uuid        NULL,
    lease_until         timestamptz NULL,
    source_topic        text        NULL,
    source_partition    integer     NULL,
    source_offset       bigint      NULL,
    traceparent         text        NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payments_lease_check CHECK ((state = 'charging') = (lease_token IS NOT NULL)),
    CONSTRAINT payments_lease_whole_check CHECK (num_nonnulls(lease_owner, lease_incarnation, lease_token, lease_until) IN (0, 4)),
    CONSTRAINT payments_attempts_check CHECK (started_attempts >= finished_attempts AND finished_attempts >= 0),
    CONSTRAINT payments_unknown_check CHECK (state <> 'unknown' OR maybe_executed),
    CONSTRAINT payments_succeeded_check CHECK (state NOT IN ('succeeded', 'refunding', 'refunded') OR payment_intent_id IS NOT NULL),
    CONSTRAINT payments_failed_check CHECK (state <> 'failed' OR failure_code IS NOT NULL)
);
-- What the claim looks for: work that is due, and leases that ran out.
CREATE INDEX payments_due_idx ON payments (next_attempt_at) WHERE state IN ('pending', 'unknown', 'processing');
CREATE INDEX payments_lease_until_idx ON payments (lease_until) WHERE state = 'charging';
CREATE INDEX payments_open_idx ON payments (state, created_at) WHERE state NOT IN ('succeeded', 'failed', 'refunded');

-- Append-only: every transition with its cause. kind 'outcome' exists once per payment, whoever
-- of worker, webhook and reconciler was first.
CREATE TABLE payment_events (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   uuid        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('transition', 'outcome', 'refused', 'late_success')),
    from_state text        NULL,
    to_state   text        NOT NULL,
    cause      text        NOT NULL,
    cause_id   text        NULL,
    detail     jsonb       NOT NULL DEFAULT '{}',
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX payment_events_outcome_key ON payment_events (event_id) WHERE kind = 'outcome';
CREATE INDEX payment_events_event_id_idx ON payment_events (event_id);

CREATE TABLE refunds (
    refund_id         uuid        PRIMARY KEY,
    event_id          uuid        NOT NULL REFERENCES payments (event_id),
    n                 integer     NOT NULL CHECK (n >= 1),
    idempotency_key   text        NOT NULL UNIQUE,
    payment_intent_id text        NOT NULL,
    amount_cents      bigint      NOT NULL CHECK (amount_cents > 0),
    currency          text        NOT NULL,
    state             text        NOT NULL DEFAULT 'pending'
                      CHECK (state IN ('pending', 'sending', 'processing', 'unknown', 'succeeded', 'failed')),
    stripe_refund_id  text        NULL UNIQUE,
    failure_code      text        NULL,
    attempts          integer     NOT NULL DEFAULT 0,
    first_attempted_at timestamptz NULL,
    next_attempt_at   timestamptz NOT NULL DEFAULT now(),
    lease_owner       text        NULL,
    lease_incarnation uuid        NULL,
    lease_token       uuid        NULL,
    lease_until       timestamptz NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event_id, n),
    CONSTRAINT refunds_lease_check CHECK ((state = 'sending') = (lease_token IS NOT NULL))
);
CREATE INDEX refunds_due_idx ON refunds (next_attempt_at) WHERE state IN ('pending', 'sending', 'unknown');

CREATE TABLE stripe_events (
    event_id     text        PRIMARY KEY,
    type         text        NOT NULL,
    object_id    text        NULL,
    body         bytea       NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at timestamptz NULL
);

CREATE TABLE webhook_quarantine (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason      text        NOT NULL,
    body        bytea       NOT NULL,
    headers     jsonb       NOT NULL DEFAULT '{}',
    released_at timestamptz NULL
);

-- Signed events that came before the row they speak of; re-driven until the window closes.
CREATE TABLE webhook_parked (
    stripe_event_id text        PRIMARY KEY REFERENCES stripe_events (event_id),
    event_id        uuid        NULL,
    reason          text        NOT NULL,
    parked_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts        integer     NOT NULL DEFAULT 0
);
CREATE INDEX webhook_parked_next_attempt_at_idx ON webhook_parked (next_attempt_at);

-- The gateway's own journal: one row per call to Stripe, written before the call and completed
-- after it. A row without an answer is a call whose end nobody saw.
CREATE TABLE stripe_calls (
    id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key   text        NULL,
    operation         text        NOT NULL,
    event_id          uuid        NULL,
    payment_intent_id text        NULL,
    status            integer     NULL,
    outcome           text        NULL,
    request_id        text        NULL,
    replayed          boolean     NULL,
    started_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at       timestamptz NULL
);
CREATE INDEX stripe_calls_idempotency_key_idx ON stripe_calls (idempotency_key);
CREATE INDEX stripe_calls_event_id_idx ON stripe_calls (event_id);

CREATE TABLE dead_letters (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text        NOT NULL,
    reason           text        NOT NULL,
    event_id         uuid        NULL,
    source_topic     text        NULL,
    source_partition integer     NULL,
    source_offset    bigint      NULL,
    payload          bytea       NULL,
    error            text        NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at      timestamptz NULL
);
-- A record read twice is one dead letter, and so is an outbox row met twice.
CREATE UNIQUE INDEX dead_letters_record_key ON dead_letters (source, source_topic, source_partition, source_offset)
    WHERE source_offset IS NOT NULL;
CREATE UNIQUE INDEX dead_letters_event_key ON dead_letters (source, event_id) WHERE source_offset IS NULL AND event_id IS NOT NULL;

-- One row per time a publisher held the lock; term numbers only grow.
CREATE TABLE publisher_terms (
    term         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    publisher_id text        NOT NULL,
    backend_pid  integer     NOT NULL,
    began_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz NULL
);

CREATE TABLE notifications (
    event_id   uuid        PRIMARY KEY,
    event_type text        NOT NULL,
    order_id   text        NOT NULL,
    recipient  text        NOT NULL,
    message_id text        NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at    timestamptz NULL
);

CREATE TABLE api_tokens (
    token_sha256 bytea       PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    tenant_id    text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NULL
);

CREATE TABLE shadow_comparisons (
    event_id    uuid        PRIMARY KEY,
    v1_outcome  text        NULL,
    v2_outcome  text        NULL,
    v2_detail   jsonb       NOT NULL DEFAULT '{}',
    compared_at timestamptz NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- For drills only.
CREATE TABLE failpoints (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id         text        NOT NULL,
    point          text        NOT NULL,
    action         text        NOT NULL CHECK (action IN ('exit', 'stop', 'dropconn', 'exectimeout', 'delay')),
    argument       text        NULL,
    match_order_id text        NULL,
    match_event_id uuid        NULL,
    match_tenant_id text       NULL,
    remaining      integer     NOT NULL DEFAULT 1 CHECK (remaining >= 0),
    armed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A fault nobody took back ends by itself.
    expires_at     timestamptz NOT NULL DEFAULT clock_timestamp() + interval '10 minutes'
);

-- Processes keep the set of armed points in memory; this tells them when to read it again.
CREATE FUNCTION notify_failpoints() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_notify('bookpay_failpoints', ''); RETURN NULL; END $$;
CREATE TRIGGER failpoints_notify AFTER INSERT OR UPDATE OR DELETE ON failpoints
    FOR EACH STATEMENT EXECUTE FUNCTION notify_failpoints();

CREATE TABLE failpoint_hits (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    failpoint_id bigint      NOT NULL,
    run_id       text        NOT NULL,
    point        text        NOT NULL,
    action       text        NOT NULL,
    process      text        NOT NULL,
    pid          integer     NOT NULL,
    incarnation  uuid        NOT NULL,
    order_id     text        NULL,
    event_id     uuid        NULL,
    hit_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE environment_clock (
    only_row boolean  PRIMARY KEY DEFAULT true CHECK (only_row),
    "offset" interval NOT NULL DEFAULT interval '0'
);
INSERT INTO environment_clock DEFAULT VALUES;

-- Ages, windows and leases are read from this clock, so that a drill can move a day in a second.
CREATE FUNCTION environment_now() RETURNS timestamptz LANGUAGE sql STABLE
    SET search_path = bookstore_platform, pg_temp
    AS $$ SELECT clock_timestamp() + "offset" FROM environment_clock $$;
