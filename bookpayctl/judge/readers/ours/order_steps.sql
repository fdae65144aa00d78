-- Steps of orders.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    id AS step_number,
    order_id,
    from_state,
    to_state,
    cause,
    CASE WHEN "at" BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN "at" AT TIME ZONE 'UTC' END AS happened_at,
    NULLIF(concat_ws(', ',
        CASE WHEN "at" NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'happened_at' END), '') AS unreadable
FROM order_events
