-- id: I03
-- title: one order per client key
-- asks: one order per tenant and client key.
-- required: 0 client keys with two orders
-- needs: orders
-- examined: judged orders that have a client key

-- violations
WITH used_twice AS (
    SELECT client_key FROM judged_orders WHERE client_key <> ''
    GROUP BY client_key HAVING COUNT(*) > 1
)
SELECT tenant_id || '/' || client_key AS subject, MIN(order_id) AS order_id, MAX(amount) AS amount,
    MIN(currency) AS currency,
    'orders ' || MIN(order_id)
        || CASE WHEN COUNT(*) > 2 THEN ' ... ' ELSE ', ' END || MAX(order_id) AS detail,
    MIN(created_at) AS happened_at
FROM judged_orders
WHERE client_key IN (SELECT client_key FROM used_twice)
GROUP BY tenant_id, client_key
HAVING COUNT(*) > 1;

-- examined
SELECT COUNT(*) FROM judged_orders WHERE client_key <> '';
