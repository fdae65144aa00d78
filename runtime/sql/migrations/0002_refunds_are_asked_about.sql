-- A refund gets a second source of truth, as a charge has: Stripe can be asked what became of it.
-- And operators can ask for things that only the state machines may do. Expand only: code that
-- does not know these columns leaves them at their defaults.

ALTER TABLE refunds
    -- A call ended without an answer, so Stripe may hold a refund we have not seen.
    ADD COLUMN maybe_executed     boolean     NOT NULL DEFAULT false,
    -- Stripe replayed a saved 5xx: the same key will never answer anything else.
    ADD COLUMN saved_failure      boolean     NOT NULL DEFAULT false,
    -- Look at Stripe before posting again.
    ADD COLUMN needs_reconcile    boolean     NOT NULL DEFAULT false,
    ADD COLUMN transient_failures integer     NOT NULL DEFAULT 0,
    ADD COLUMN last_attempted_at  timestamptz NULL;
-- A refund that was under way when the column came may have executed.
UPDATE refunds SET maybe_executed = true, last_attempted_at = updated_at WHERE state IN ('sending', 'unknown');
CREATE INDEX refunds_asked_idx ON refunds (next_attempt_at) WHERE state IN ('processing', 'unknown');

-- What operators ask for: written by their tool, carried out by the reconciler through the same
-- state machines as everything else, kept as the record of who wanted what and what came of it.
CREATE TABLE operator_requests (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('redrive_dead_letter', 'retry_refund', 'release_webhook', 'discard_webhook')),
    -- The number of the dead letter or of the quarantined webhook; null for a refund.
    row_id       bigint      NULL,
    -- The payment whose refund is retried; null for the others.
    event_id     uuid        NULL,
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    handled_at   timestamptz NULL,
    result       text        NULL CHECK (result IN ('done', 'refused')),
    detail       text        NOT NULL DEFAULT '',
    CONSTRAINT operator_requests_subject_check CHECK ((kind = 'retry_refund') = (event_id IS NOT NULL) AND (kind = 'retry_refund') = (row_id IS NULL)),
    CONSTRAINT operator_requests_handled_check CHECK ((handled_at IS NULL) = (result IS NULL))
);
CREATE INDEX operator_requests_open_idx ON operator_requests (id) WHERE handled_at IS NULL;

-- Events whose consequence never came and that were published again, with how often.
CREATE TABLE events_told_again (
    event_id uuid        PRIMARY KEY,
    times    integer     NOT NULL DEFAULT 1,
    told_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX orders_pending_idx ON orders (created_at) WHERE status = 'pending';
CREATE INDEX orders_cancelled_idx ON orders (updated_at) WHERE status = 'cancelled';
