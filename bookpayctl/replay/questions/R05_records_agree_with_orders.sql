-- id: R05
-- title: records agree with orders
-- asks: the order that a record speaks of is there, with the record's money and tenant, and where the record says it is or further.
-- required: each record's order has its amount, currency and tenant, and went where it says
-- needs: records, orders
-- examined: records that speak of an order

-- differing
SELECT r.event_id, r.event_type, r.topic, r.partition_number, r.record_offset, r.recorded_ms,
    r.order_id, r.amount, r.currency, o.status,
    o.order_id IS NULL AS no_order,
    COALESCE(o.amount <> r.amount OR o.currency <> r.currency, FALSE) AS other_money,
    COALESCE(o.tenant_id <> r.tenant_id, FALSE) AS other_tenant,
    COALESCE(
        (r.event_type = 'OrderPaid' AND o.status = 'pending')
        OR (r.event_type = 'OrderCancelled' AND o.status IN ('pending', 'paid')),
        FALSE
    ) AS not_there
FROM records AS r LEFT JOIN orders AS o ON o.order_id = r.order_id
WHERE r.problem IS NULL AND r.order_id IS NOT NULL
    AND (no_order OR other_money OR other_tenant OR not_there)
    AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.event_id = r.event_id);

-- violations
SELECT r.event_id AS subject, r.order_id, COALESCE(r.amount, 0) AS amount, r.currency,
    r.topic || '/' || CAST(r.partition_number AS VARCHAR) || '/' || CAST(r.record_offset AS VARCHAR)
        || ' is ' || COALESCE(r.event_type, 'an event') || ' of ' || r.order_id || ', '
        || CASE WHEN no_order THEN 'an order that is not there'
            WHEN other_money THEN 'which is about other money'
            WHEN other_tenant THEN 'which is another tenant''s'
            ELSE 'which is ' || status END AS detail,
    make_timestamp(r.recorded_ms * 1000) AS happened_at
FROM differing AS r;

-- examined
SELECT COUNT(*) FROM records AS r
WHERE r.problem IS NULL AND r.order_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.event_id = r.event_id);
