-- Webhooks that we took in. A quarantined one was looked at and set aside on record: it counts as
-- processed.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    e.event_id AS stripe_event_id,
    e.type,
    e.object_id,
    CASE WHEN e.received_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN e.received_at AT TIME ZONE 'UTC' END AS received_at,
    e.processed_at IS NOT NULL AS processed,
    p.stripe_event_id IS NOT NULL AS parked,
    NULLIF(concat_ws(', ',
        CASE WHEN e.received_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'received_at' END), '') AS unreadable
FROM stripe_events AS e LEFT JOIN webhook_parked AS p ON p.stripe_event_id = e.event_id
