-- The gateway's journal of calls to Stripe.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    operation,
    idempotency_key,
    event_id::text AS event_id,
    request_id,
    CASE WHEN started_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN started_at AT TIME ZONE 'UTC' END AS happened_at,
    NULLIF(concat_ws(', ',
        CASE WHEN started_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'happened_at' END), '') AS unreadable
FROM stripe_calls
