-- id: I25
-- title: payments are final
-- asks: every payment of a judged order is succeeded, failed or refunded.
-- required: succeeded, failed or refunded
-- needs: orders, payments
-- examined: payments of judged orders that do not wait by right

-- violations
SELECT p.order_id AS subject, p.order_id, p.amount, p.currency,
    'payment is ' || p.state || ' after quiescence' AS detail, p.created_at AS happened_at
FROM judged_payments AS p
WHERE p.state NOT IN ('succeeded', 'failed', 'refunded')
    AND NOT EXISTS (SELECT 1 FROM waiting_payments AS w WHERE w.event_id = p.event_id);

-- examined
SELECT COUNT(*) FROM judged_payments AS p
WHERE NOT EXISTS (SELECT 1 FROM waiting_payments AS w WHERE w.event_id = p.event_id);

-- waiting
SELECT COUNT(*) FROM judged_payments AS p
WHERE EXISTS (SELECT 1 FROM waiting_payments AS w WHERE w.event_id = p.event_id);
