-- Disputes, as we know them.
SELECT
    stripe_dispute_id,
    payment_intent_id,
    amount_cents AS amount,
    status,
    NULL AS unreadable
FROM disputes
