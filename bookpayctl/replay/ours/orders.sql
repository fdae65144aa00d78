-- Orders.
SELECT id AS order_id, tenant_id, total_cents AS amount, currency, status,
    event_id::text AS event_id
FROM orders
