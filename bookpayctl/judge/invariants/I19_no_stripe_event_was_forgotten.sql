-- id: I19
-- title: no Stripe event was forgotten
-- asks: what Stripe decided is what our payment says, by webhook or by reconciliation.
-- required: each decided its payment
-- needs: orders, payments, payments.payment_intent_id, webhooks?, stripe_events
-- examined: Stripe events that decide a judged payment, and webhooks that we stored

-- violations
SELECT p.order_id AS subject, p.order_id, 0 AS amount, p.currency,
    e.type || ' at Stripe, payment is ' || p.state AS detail, e.created_at AS happened_at
FROM stripe_events AS e JOIN judged_payments AS p ON p.payment_intent_id = e.object_id
WHERE e.object_id <> ''
    AND (
        (
            e.type = 'payment_intent.succeeded'
            AND p.state NOT IN ('succeeded', 'refunding', 'refunded')
        )
        OR (
            e.type = 'payment_intent.canceled'
            AND p.state NOT IN ('failed', 'refunding', 'refunded')
        )
    )
UNION ALL
SELECT w.stripe_event_id AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    w.type || ' was stored and neither applied nor parked' AS detail, w.received_at AS happened_at
FROM webhooks AS w CROSS JOIN judgement AS j
WHERE (w.received_at IS NULL OR w.received_at < j.cut_off OR w.received_at > j.ahead_from)
    AND NOT w.processed AND NOT w.parked
    AND NOT EXISTS (
        SELECT 1 FROM probes AS p WHERE p.kind = 'stripe_event' AND p.id = w.stripe_event_id
    );

-- examined
SELECT
    (
        SELECT COUNT(*)
        FROM stripe_events AS e JOIN judged_payments AS p ON p.payment_intent_id = e.object_id
        WHERE e.object_id <> ''
            AND e.type IN ('payment_intent.succeeded', 'payment_intent.canceled')
    ) + (
        SELECT COUNT(*) FROM webhooks AS w CROSS JOIN judgement AS j
        WHERE w.received_at IS NULL OR w.received_at < j.cut_off OR w.received_at > j.ahead_from
    );
