-- id: I26
-- title: orders are final
-- asks: every judged order is paid, cancelled or refunded.
-- required: paid, cancelled or refunded
-- needs: orders, payments
-- examined: judged orders whose payment does not wait by right

-- violations
SELECT o.order_id AS subject, o.order_id, o.amount, o.currency,
    'order is pending after quiescence' AS detail, o.created_at AS happened_at
FROM judged_orders AS o
WHERE o.status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM waiting_payments AS w WHERE w.order_id = o.order_id);

-- examined
SELECT COUNT(*) FROM judged_orders AS o
WHERE NOT (
    o.status = 'pending'
    AND EXISTS (SELECT 1 FROM waiting_payments AS w WHERE w.order_id = o.order_id)
);

-- waiting
SELECT COUNT(*) FROM judged_orders AS o
WHERE o.status = 'pending'
    AND EXISTS (SELECT 1 FROM waiting_payments AS w WHERE w.order_id = o.order_id);
