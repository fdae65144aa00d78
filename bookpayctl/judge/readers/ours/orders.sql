-- Orders.
-- A time that no clock shows is NULL and named in `unreadable`: PostgreSQL knows infinity, and
-- years that no file does.
SELECT
    id AS order_id,
    tenant_id,
    total_cents AS amount,
    currency,
    status,
    client_key,
    CASE WHEN created_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN created_at AT TIME ZONE 'UTC' END AS created_at,
    NULLIF(concat_ws(', ',
        CASE WHEN created_at NOT BETWEEN '0001-01-01 00:00+00'
            AND '9999-12-31 23:59:59.999999+00' THEN 'created_at' END), '') AS unreadable
FROM orders
