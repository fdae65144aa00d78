-- Who published, one after the other.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    term,
    publisher_id,
    backend_pid,
    CASE WHEN began_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN began_at AT TIME ZONE 'UTC' END AS began_at,
    CASE WHEN ended_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN ended_at AT TIME ZONE 'UTC' END AS ended_at,
    NULLIF(concat_ws(', ',
        CASE WHEN began_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'began_at' END,
        CASE WHEN ended_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'ended_at' END), '') AS unreadable
FROM publisher_terms
