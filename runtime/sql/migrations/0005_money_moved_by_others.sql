-- Money of our payments that others moved: refunds made in the dashboard or by another system, and disputes. What is still owed to a
-- customer is what was taken, less what is written here. Expand only: code that does not know these tables leaves them empty.

CREATE TABLE outside_refunds (
    stripe_refund_id  text        PRIMARY KEY,
    -- Our payment; null only where a hand wrote the row.
    event_id          uuid        NULL REFERENCES payments (event_id),
    payment_intent_id text        NOT NULL,
    charge_id         text        NULL,
    amount_cents      bigint      NOT NULL CHECK (amount_cents > 0),
    currency          text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    -- Stripe's own word; one of next year is money that may have gone back.
    status            text        NOT NULL CHECK (status <> ''),
    reason            text        NULL,
    -- When Stripe is asked again what became of it; null once nothing is expected to change.
    next_look_at      timestamptz NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outside_refunds_event_id_idx ON outside_refunds (event_id);
CREATE INDEX outside_refunds_next_look_at_idx ON outside_refunds (next_look_at) WHERE next_look_at IS NOT NULL;

CREATE TABLE disputes (
    stripe_dispute_id text        PRIMARY KEY,
    event_id          uuid        NULL REFERENCES payments (event_id),
    payment_intent_id text        NOT NULL,
    charge_id         text        NULL,
    amount_cents      bigint      NOT NULL CHECK (amount_cents > 0),
    currency          text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    status            text        NOT NULL CHECK (status <> ''),
    reason            text        NULL,
    -- Stripe's time of the newest news that is written here: events come in any order.
    told_at           timestamptz NOT NULL,
    -- When we heard of its end; null while it is open.
    closed_at         timestamptz NULL,
    next_look_at      timestamptz NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT disputes_looked_at_check CHECK (closed_at IS NULL OR next_look_at IS NULL)
);
CREATE INDEX disputes_event_id_idx ON disputes (event_id);
CREATE INDEX disputes_next_look_at_idx ON disputes (next_look_at) WHERE next_look_at IS NOT NULL;

-- When Stripe's refunds and disputes of a payment are to be listed: something of it moved, and nobody told us what.
ALTER TABLE payments ADD COLUMN outside_check_at timestamptz NULL;
CREATE INDEX payments_outside_check_at_idx ON payments (outside_check_at) WHERE outside_check_at IS NOT NULL;

-- Up to which moment of the environment's clock the refunds and disputes of the whole account have been listed.
CREATE TABLE outside_listings (
    one       boolean     PRIMARY KEY DEFAULT true CHECK (one),
    listed_to timestamptz NOT NULL
);
