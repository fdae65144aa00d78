-- id: I11
-- title: paid orders were charged
-- asks: a paid order has one charge of its amount and currency, and the shop still holds it. Money that a bank or somebody else took back is not held: where our tables say the same it is explained, and a warning. Orders that v1 charged while our gateway shadowed it are v1's to prove.
-- required: each has a charge of its amount, still held
-- needs: orders, payments, refunds?, outside_refunds?, disputes?, shadows?, stripe_payment_intents, stripe_charges, stripe_refunds, stripe_disputes, stripe_events
-- examined: judged orders that are paid and that v1 did not charge
-- excuses: orders of {money} that v1 charged

-- violations
WITH paid AS (
    SELECT o.* FROM judged_orders AS o
    WHERE o.status = 'paid'
        AND NOT EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.order_id = o.order_id)
), charged AS (
    SELECT p.* FROM paid AS p
    WHERE EXISTS (
        SELECT 1 FROM order_charges AS c
        WHERE c.order_id = p.order_id AND c.status = 'succeeded' AND c.amount = p.amount
            AND c.currency = p.currency
    )
), held AS (
    SELECT p.*, COALESCE(n.net, 0) + COALESCE(g.amount, 0) AS net
    FROM charged AS p
    LEFT JOIN nets AS n ON n.order_id = p.order_id
    LEFT JOIN (SELECT order_id, SUM(amount) AS amount FROM gone GROUP BY order_id) AS g
        ON g.order_id = p.order_id
)
SELECT p.order_id AS subject, p.order_id, p.amount, p.currency,
    'paid, but Stripe has no such charge' AS detail, p.created_at AS happened_at
FROM paid AS p
WHERE NOT EXISTS (SELECT 1 FROM charged AS c WHERE c.order_id = p.order_id)
UNION ALL
SELECT p.order_id AS subject, p.order_id, g.amount, g.currency,
    g.words || '; our tables do not know it' AS detail, g.happened_at
FROM charged AS p JOIN gone AS g ON g.order_id = p.order_id
WHERE g.due AND NOT g.known
UNION ALL
SELECT p.order_id AS subject, p.order_id, ABS(p.amount - p.net) AS amount, p.currency,
    'paid {' || CAST(p.amount AS VARCHAR) || ' ' || p.currency || '}, Stripe holds {'
        || CAST(p.net AS VARCHAR) || ' ' || p.currency || '}' AS detail,
    p.created_at AS happened_at
FROM held AS p
WHERE p.net <> p.amount;

-- examined
SELECT COUNT(*) FROM judged_orders AS o
WHERE o.status = 'paid'
    AND NOT EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.order_id = o.order_id);

-- waiting
SELECT COUNT(*) FROM gone AS g JOIN customers_orders AS o ON o.order_id = g.order_id
WHERE o.status = 'paid' AND NOT g.known AND NOT g.due
    AND NOT EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.order_id = o.order_id);

-- explained: also of orders that are too young to be judged; nothing is alleged, it is only named
SELECT o.order_id AS subject, o.order_id, g.amount, g.currency,
    g.words || ', as our tables say' AS detail, g.happened_at
FROM gone AS g JOIN customers_orders AS o ON o.order_id = g.order_id
WHERE o.status = 'paid' AND g.known
    AND NOT EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.order_id = o.order_id);

-- excused
SELECT o.amount, o.currency FROM customers_orders AS o
WHERE o.status = 'paid'
    AND EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.order_id = o.order_id);
