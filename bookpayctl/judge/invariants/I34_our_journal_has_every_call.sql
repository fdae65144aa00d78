-- id: I34
-- title: our journal has every call
-- asks: every PaymentIntent and refund of ours at Stripe has its call in our journal. The row is written before the call leaves, so there is no moment in which it may be missing.
-- required: a call for each of ours that Stripe executed
-- needs: calls, refunds, refunds.idempotency_key, stripe_payment_intents
-- examined: PaymentIntents of ours that name an event, and refunds that Stripe made for us

-- violations
SELECT COALESCE(NULLIF(i.order_id, ''), i.payment_intent_id) AS subject, i.order_id, i.amount,
    i.currency, i.payment_intent_id || ' was made, our journal has no call' AS detail,
    i.created_at AS happened_at
FROM all_intents AS i
WHERE i.ours AND i.event_id IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM calls AS c
        WHERE c.operation IN ('charge', 'shadow_charge') AND c.idempotency_key = i.event_id
    )
UNION ALL
SELECT r.stripe_refund_id AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency, 'a refund was made, our journal has no call' AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM refunds AS r
WHERE r.stripe_refund_id IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM calls AS c
        WHERE c.operation = 'refund' AND c.idempotency_key = r.idempotency_key
    );

-- examined
SELECT (SELECT COUNT(*) FROM all_intents WHERE ours AND event_id IS NOT NULL)
    + (SELECT COUNT(*) FROM refunds WHERE stripe_refund_id IS NOT NULL);
