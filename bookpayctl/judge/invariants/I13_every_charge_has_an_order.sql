-- id: I13
-- title: every charge has an order
-- asks: every charge that carries our environment's name belongs to an order.
-- required: 0 charges without an order
-- needs: orders, payments, stripe_payment_intents, stripe_charges
-- examined: succeeded charges of PaymentIntents that are ours

-- violations
SELECT c.charge_id AS subject, c.order_id, c.amount, c.currency,
    'charged for order ''' || COALESCE(c.order_id, '') || ''': none' AS detail, c.created_at AS happened_at
FROM order_charges AS c
WHERE c.status = 'succeeded' AND c.ours
    AND NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.order_id = c.order_id);

-- examined
SELECT COUNT(*) FROM order_charges WHERE status = 'succeeded' AND ours;
