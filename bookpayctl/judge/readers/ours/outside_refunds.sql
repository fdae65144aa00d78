-- Refunds that others made, as we know them.
SELECT
    stripe_refund_id,
    payment_intent_id,
    amount_cents AS amount,
    status,
    NULL AS unreadable
FROM outside_refunds
