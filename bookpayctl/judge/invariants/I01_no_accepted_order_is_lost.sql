-- id: I01
-- title: no accepted order is lost
-- asks: every order a client was told of exists, with the amount it was told.
-- required: every accepted key has its order
-- needs: orders, client_operations
-- examined: calls that were answered with an order

-- violations
WITH keyed AS (
    SELECT o.*,
        ROW_NUMBER() OVER (PARTITION BY o.client_key ORDER BY o.created_at, o.order_id) AS place
    FROM orders AS o JOIN judgement AS j ON o.tenant_id = j.history_tenant_id
    WHERE o.client_key <> ''
)
SELECT COALESCE(NULLIF(c.order_id, ''), c.client_key) AS subject, c.order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency, 'accepted, but there is no order' AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM client_operations AS c
WHERE c.outcome = 'ok' AND NOT EXISTS (SELECT 1 FROM keyed AS k WHERE k.client_key = c.client_key)
UNION ALL
SELECT k.order_id AS subject, k.order_id, ABS(k.amount - c.amount) AS amount, k.currency,
    'client was told {' || CAST(c.amount AS VARCHAR) || ' ' || k.currency || '}, the order says {'
        || CAST(k.amount AS VARCHAR) || ' ' || k.currency || '}' AS detail,
    k.created_at AS happened_at
FROM client_operations AS c JOIN keyed AS k ON k.client_key = c.client_key AND k.place = 1
WHERE c.outcome = 'ok' AND c.amount <> k.amount;

-- examined
SELECT COUNT(*) FROM client_operations WHERE outcome = 'ok';
