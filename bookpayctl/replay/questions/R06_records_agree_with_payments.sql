-- id: R06
-- title: records agree with payments
-- asks: the payment that a record speaks of has its money, tenant, root and PaymentIntent, and is where the record says or further. An order whose payment was not taken in yet has none.
-- required: each record's payment has its amount, currency, tenant, root and PaymentIntent, and went where it says
-- needs: records, payments
-- examined: records of payments, and of orders that have one

-- differing
SELECT r.event_id, r.event_type, r.topic, r.partition_number, r.record_offset, r.recorded_ms,
    r.order_id, r.amount, r.currency, p.event_id IS NULL AS no_payment, p.state,
    COALESCE(p.amount <> r.amount OR p.currency <> r.currency, FALSE) AS other_money,
    COALESCE(p.tenant_id <> r.tenant_id, FALSE) AS other_tenant,
    COALESCE(p.event_id <> r.root_event_id, FALSE) AS other_root,
    COALESCE(p.payment_intent_id <> r.payment_intent_id, FALSE) AS other_intent,
    COALESCE(
        (r.event_type = 'PaymentCompleted'
            AND p.state NOT IN ('succeeded', 'refunding', 'refunded'))
        OR (r.event_type = 'PaymentFailed' AND p.state NOT IN ('failed', 'refunding', 'refunded'))
        OR (r.event_type = 'PaymentRefunded' AND p.state <> 'refunded'),
        FALSE
    ) AS not_there
FROM records AS r LEFT JOIN payments AS p ON p.order_id = r.order_id
WHERE r.problem IS NULL AND r.order_id IS NOT NULL
    AND (p.event_id IS NOT NULL OR r.topic LIKE 'payments.%')
    AND (no_payment OR other_money OR other_tenant OR other_root OR other_intent OR not_there)
    AND NOT EXISTS (SELECT 1 FROM probes AS x WHERE x.event_id = r.event_id);

-- violations
SELECT r.event_id AS subject, r.order_id, COALESCE(r.amount, 0) AS amount, r.currency,
    r.topic || '/' || CAST(r.partition_number AS VARCHAR) || '/' || CAST(r.record_offset AS VARCHAR)
        || ' is ' || COALESCE(r.event_type, 'an event') || ' of ' || r.order_id || ', '
        || CASE WHEN no_payment THEN 'whose payment is not there'
            WHEN other_money THEN 'whose payment is about other money'
            WHEN other_tenant THEN 'whose payment is another tenant''s'
            WHEN other_root THEN 'whose payment has another root'
            WHEN other_intent THEN 'whose payment has another PaymentIntent'
            ELSE 'whose payment is ' || state END AS detail,
    make_timestamp(r.recorded_ms * 1000) AS happened_at
FROM differing AS r;

-- examined
SELECT COUNT(*) FROM records AS r LEFT JOIN payments AS p ON p.order_id = r.order_id
WHERE r.problem IS NULL AND r.order_id IS NOT NULL
    AND (p.event_id IS NOT NULL OR r.topic LIKE 'payments.%')
    AND NOT EXISTS (SELECT 1 FROM probes AS x WHERE x.event_id = r.event_id);
