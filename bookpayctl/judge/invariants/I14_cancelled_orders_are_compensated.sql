-- id: I14
-- title: cancelled orders are compensated
-- asks: a cancelled or refunded order keeps no money, no stock, and said so.
-- required: no money, no stock, OrderCancelled sent
-- needs: orders, outbox?, payments, refunds?, reservations?, outside_refunds?, disputes?, stripe_payment_intents, stripe_charges, stripe_refunds, stripe_disputes, stripe_events
-- examined: judged orders that are cancelled or refunded

-- violations
WITH done AS (
    SELECT o.*, COALESCE(n.net, 0) AS net
    FROM judged_orders AS o LEFT JOIN nets AS n ON n.order_id = o.order_id
    WHERE o.status IN ('cancelled', 'refunded')
), unreleased AS (
    SELECT order_id, COUNT(*) AS kinds, MIN(sku) AS first_sku, MAX(sku) AS last_sku
    FROM reservations WHERE state <> 'released' GROUP BY order_id
)
SELECT o.order_id AS subject, o.order_id, g.amount, g.currency,
    g.words || '; our tables do not know it' AS detail, g.happened_at
FROM done AS o JOIN gone AS g ON g.order_id = o.order_id
WHERE g.due AND NOT g.known
    -- Where no table is for it, the status of the order says what became of the money.
    AND NOT EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'outside_refunds')
UNION ALL
-- Given back and taken back once more by the bank: lost money, and nothing is kept.
SELECT o.order_id AS subject, o.order_id, o.net AS amount, o.currency,
    o.status || ', Stripe still holds {' || CAST(o.net AS VARCHAR) || ' ' || o.currency
        || '}' AS detail,
    o.created_at AS happened_at
FROM done AS o
WHERE o.net > 0
    OR (o.net < 0 AND NOT EXISTS (SELECT 1 FROM gone AS g WHERE g.order_id = o.order_id))
UNION ALL
SELECT o.order_id AS subject, o.order_id, 0 AS amount, o.currency,
    o.status || ', stock not released: ' || u.first_sku
        || CASE
            WHEN u.kinds = 1 THEN ''
            WHEN u.kinds = 2 THEN ', ' || u.last_sku
            ELSE ' ... ' || u.last_sku
        END AS detail,
    o.created_at AS happened_at
FROM done AS o JOIN unreleased AS u ON u.order_id = o.order_id
UNION ALL
SELECT o.order_id AS subject, o.order_id, 0 AS amount, o.currency,
    o.status || ', no OrderCancelled was emitted' AS detail, o.created_at AS happened_at
FROM done AS o
WHERE NOT EXISTS (
    SELECT 1 FROM judged_events AS e
    WHERE e.order_id = o.order_id AND e.event_type = 'OrderCancelled'
) AND NOT EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'outbox');

-- examined
SELECT COUNT(*) FROM judged_orders WHERE status IN ('cancelled', 'refunded');

-- explained
SELECT o.order_id AS subject, o.order_id, g.amount, g.currency,
    g.words || ', as our tables say' AS detail, g.happened_at
FROM judged_orders AS o
JOIN gone AS g ON g.order_id = o.order_id
JOIN nets AS n ON n.order_id = o.order_id
WHERE o.status IN ('cancelled', 'refunded') AND g.known AND n.net < 0;
