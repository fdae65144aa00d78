-- Refunds that we asked for.
SELECT
    refund_id::text AS refund_id,
    event_id::text AS event_id,
    idempotency_key,
    amount_cents AS amount,
    state,
    stripe_refund_id,
    NULL AS unreadable
FROM refunds
