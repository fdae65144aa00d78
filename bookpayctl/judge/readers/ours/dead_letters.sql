-- What was set aside for a person.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    id::text AS dead_letter_id,
    source,
    reason,
    event_id::text AS event_id,
    resolved_at IS NOT NULL AS resolved,
    CASE WHEN created_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN created_at AT TIME ZONE 'UTC' END AS happened_at,
    NULLIF(concat_ws(', ',
        CASE WHEN created_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'happened_at' END), '') AS unreadable
FROM dead_letters
