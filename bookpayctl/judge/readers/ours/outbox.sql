-- Events as they were written down. Those of a payment name the order in their payload; one that was
-- written by hand may only have it as its aggregate. The payload's text is what is published. What is
-- no whole number of the server's range is no amount. A root is written as UUIDs are, as its key is.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    event_id::text AS event_id,
    event_type,
    coalesce(payload->>'order_id', aggregate_id) AS order_id,
    CASE WHEN payload->>'root_event_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        THEN lower(payload->>'root_event_id')
        ELSE coalesce(payload->>'root_event_id', event_id::text) END AS root_event_id,
    CASE WHEN payload->>'amount_cents' ~ '^[0-9]{1,18}$'
        THEN (payload->>'amount_cents')::bigint END AS amount,
    payload->>'currency' AS currency,
    payload->>'amount_cents' IS NOT NULL AS has_amount,
    encode(sha256(convert_to(payload::text, 'UTF8')), 'hex') AS payload_sha256,
    published_at IS NOT NULL AS published,
    CASE WHEN created_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN created_at AT TIME ZONE 'UTC' END AS created_at,
    CASE WHEN published_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN published_at AT TIME ZONE 'UTC' END AS published_at,
    NULLIF(concat_ws(', ',
        CASE WHEN created_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'created_at' END,
        CASE WHEN published_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'published_at' END), '') AS unreadable
FROM outbox
