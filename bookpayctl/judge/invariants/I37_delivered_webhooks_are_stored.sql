-- id: I37
-- title: delivered webhooks are stored
-- asks: every webhook that Stripe delivered, and we acknowledged, is stored.
-- required: each that got a 2xx is stored
-- needs: webhooks, stripe_deliveries
-- examined: events that Stripe delivered to us and got a 2xx for

-- violations
SELECT d.stripe_event_id AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    'Stripe delivered it and got a 2xx; it is not stored' AS detail, CAST(NULL AS TIMESTAMP) AS happened_at
FROM stripe_deliveries AS d
WHERE NOT EXISTS (SELECT 1 FROM webhooks AS w WHERE w.stripe_event_id = d.stripe_event_id);

-- examined
SELECT COUNT(*) FROM stripe_deliveries;
