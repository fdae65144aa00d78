-- The transactional outbox: eight columns, a primary key and the partial index the publisher reads by.
-- Creates what is missing and nothing else, so it may be applied to an empty database and to a
-- running one. An order and its event are written in one transaction; the publisher then sends the
-- rows whose published_at is null and marks them once the broker has acknowledged them.

CREATE SCHEMA IF NOT EXISTS bookstore_platform;

CREATE TABLE IF NOT EXISTS bookstore_platform.outbox (
    event_id     uuid        PRIMARY KEY,
    aggregate    text        NOT NULL,
    aggregate_id text        NOT NULL,
    event_type   text        NOT NULL,
    payload      jsonb       NOT NULL,
    tenant_id    text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz NULL
);

-- Partial, so that years of published rows cost the scan nothing.
CREATE INDEX IF NOT EXISTS outbox_unpublished_idx
    ON bookstore_platform.outbox (created_at) WHERE published_at IS NULL;
