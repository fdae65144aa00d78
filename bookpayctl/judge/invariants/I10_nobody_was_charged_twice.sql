-- id: I10
-- title: nobody was charged twice
-- asks: at most one succeeded charge per order, even if a second one was refunded later.
-- required: at most 1 succeeded charge per order
-- needs: orders, payments, stripe_payment_intents, stripe_charges
-- examined: judged orders
-- excuses: PaymentIntents of {money} that our tables say only shadowed v1

-- violations
WITH charged_twice AS (
    SELECT order_id FROM order_charges WHERE status = 'succeeded'
    GROUP BY order_id HAVING COUNT(*) > 1
)
SELECT c.order_id AS subject, c.order_id, SUM(c.amount) - MIN(c.amount) AS amount,
    MIN(c.currency) AS currency,
    CAST(COUNT(*) AS VARCHAR) || ' succeeded charges: ' || MIN(c.charge_id)
        || CASE WHEN COUNT(*) > 2 THEN ' ... ' ELSE ', ' END || MAX(c.charge_id) AS detail,
    MAX(c.created_at) AS happened_at
FROM order_charges AS c JOIN judged_orders AS o ON o.order_id = c.order_id
WHERE c.status = 'succeeded' AND c.order_id IN (SELECT order_id FROM charged_twice)
GROUP BY c.order_id
HAVING COUNT(*) > 1;

-- examined
SELECT COUNT(*) FROM judged_orders;

-- excused
SELECT amount, currency FROM all_intents WHERE only_shadowed;
