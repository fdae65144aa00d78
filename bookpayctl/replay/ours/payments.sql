-- Payments.
SELECT event_id::text AS event_id, order_id, tenant_id, amount_cents AS amount, currency, state,
    payment_intent_id
FROM payments
