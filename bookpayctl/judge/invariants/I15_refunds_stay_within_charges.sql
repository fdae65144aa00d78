-- id: I15
-- title: refunds stay within charges
-- asks: never more given back than was taken, and one succeeded refund of ours per order. A refund that came back is owed again, and given by another one.
-- required: refunds <= charge, at most 1 per order
-- needs: orders, payments, refunds?, outside_refunds?, stripe_payment_intents, stripe_charges, stripe_refunds
-- examined: judged orders with a refund at Stripe

-- violations
WITH given AS (
    -- Others may give back in parts; that our tables know each of them is asked elsewhere.
    SELECT order_id,
        SUM(CASE WHEN status = 'succeeded' THEN amount ELSE 0 END) AS amount,
        SUM(CASE WHEN status = 'succeeded' AND (ours OR NOT has_row) THEN 1 ELSE 0 END) AS refunds,
        SUM(CASE WHEN status IN ('failed', 'canceled') THEN 1 ELSE 0 END) AS returned,
        MAX(created_at) AS happened_at
    FROM order_refunds GROUP BY order_id
), taken AS (
    SELECT order_id, SUM(amount) AS amount
    FROM order_charges WHERE status = 'succeeded' GROUP BY order_id
), both_ways AS (
    SELECT o.order_id, o.currency, g.amount AS given, COALESCE(t.amount, 0) AS taken, g.refunds,
        g.returned, g.happened_at
    FROM judged_orders AS o
    JOIN given AS g ON g.order_id = o.order_id
    LEFT JOIN taken AS t ON t.order_id = o.order_id
)
SELECT order_id AS subject, order_id, given - taken AS amount, currency,
    'took {' || CAST(taken AS VARCHAR) || ' ' || currency || '}, gave back {'
        || CAST(given AS VARCHAR) || ' ' || currency || '}' AS detail,
    happened_at
FROM both_ways
WHERE given > taken
UNION ALL
SELECT order_id AS subject, order_id, given AS amount, currency,
    CAST(refunds AS VARCHAR) || ' succeeded refunds' AS detail, happened_at
FROM both_ways
WHERE given <= taken AND refunds > 1 + returned
    -- Without a table of ours, nobody can tell which refund is ours.
    AND NOT EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'refunds');

-- examined
SELECT COUNT(*) FROM judged_orders AS o
WHERE EXISTS (SELECT 1 FROM order_refunds AS r WHERE r.order_id = o.order_id);
