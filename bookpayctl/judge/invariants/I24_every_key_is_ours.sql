-- id: I24
-- title: every key is ours
-- asks: every executed POST carries the key that a row of ours gives to that very operation. A request without a key, or with one no row explains, is how a customer gets charged twice: the client library invents a new key on every retry. A key of another operation excuses nothing. What others did to a PaymentIntent of ours under keys of their own is only counted, but for a refund: that our tables must know. Where Stripe shows no requests, its events name the key that caused them.
-- required: every executed POST has a key of our rows
-- needs: payments, refunds, refunds.idempotency_key, outside_refunds, calls, stripe_requests | stripe_events
-- examined: executed POSTs about our payments
-- excuses: requests of others about our payments

-- kinds: what a path asks for
SELECT path,
    CASE
        WHEN path = '/v1/payment_intents' THEN 'create'
        WHEN path = '/v1/refunds' THEN 'refund'
        WHEN path LIKE '%/cancel' THEN 'cancel'
        ELSE 'another'
    END AS operation
FROM stripe_requests GROUP BY path;

-- executed: what bears our environment's name is ours; who sent the rest, other ledgers are asked
SELECT r.idempotency_key, r.path, r.object_id, d.operation, TRUE AS sent_by_us
FROM stripe_requests AS r
CROSS JOIN judgement AS j
JOIN kinds AS d ON d.path = r.path
WHERE r.executed AND r.environment = j.environment
UNION ALL
SELECT r.idempotency_key, r.path, r.object_id, d.operation,
    EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'stripe_payment_intents')
        OR EXISTS (SELECT 1 FROM our_keys AS k WHERE k.idempotency_key = r.idempotency_key)
        OR EXISTS (SELECT 1 FROM calls AS c WHERE c.request_id <> '' AND c.request_id = r.request_id)
        AS sent_by_us
FROM stripe_requests AS r
CROSS JOIN judgement AS j
JOIN kinds AS d ON d.path = r.path
WHERE r.executed AND r.environment IS DISTINCT FROM j.environment
    AND (
        -- Only the recording tap is left then, and nobody but our gateway speaks through it.
        EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'stripe_payment_intents')
        OR EXISTS (SELECT 1 FROM our_stripe_objects AS s WHERE s.id = r.object_id)
        OR EXISTS (SELECT 1 FROM calls AS c WHERE c.request_id <> '' AND c.request_id = r.request_id)
    );

-- unexplained: no row of ours gives this key to this operation
SELECT x.idempotency_key, x.path, x.operation, x.sent_by_us, o.stripe_refund_id AS known_refund_id,
    o.payment_intent_id, o.amount
FROM executed AS x
LEFT JOIN outside_refunds AS o ON o.stripe_refund_id = x.object_id
WHERE NOT EXISTS (
    SELECT 1 FROM our_keys AS k
    WHERE k.operation = x.operation AND k.idempotency_key = x.idempotency_key
);

-- violations
SELECT COALESCE(NULLIF(x.idempotency_key, ''), '(no key)') AS subject,
    CAST(NULL AS VARCHAR) AS order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    x.path || ' was executed with a key no row of ours explains' AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM unexplained AS x
WHERE x.sent_by_us OR x.operation = 'create'
    OR (x.operation = 'refund' AND x.known_refund_id IS NULL)
UNION ALL
SELECT COALESCE(NULLIF(e.idempotency_key, ''), '(no key)') AS subject,
    CAST(NULL AS VARCHAR) AS order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    e.stripe_event_id || ' was executed with a key no row of ours explains' AS detail,
    e.created_at AS happened_at
FROM stripe_events AS e
WHERE e.type IN ('payment_intent.created', 'refund.created')
    AND EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'stripe_requests')
    AND EXISTS (SELECT 1 FROM our_stripe_objects AS s WHERE s.id = e.object_id)
    AND NOT EXISTS (
        SELECT 1 FROM our_keys AS k
        WHERE k.idempotency_key = e.idempotency_key
            AND k.operation = CASE WHEN e.type = 'refund.created' THEN 'refund' ELSE 'create' END
    )
    AND NOT EXISTS (SELECT 1 FROM outside_refunds AS o WHERE o.stripe_refund_id = e.object_id);

-- examined
SELECT (SELECT COUNT(*) FROM executed) + (
    SELECT COUNT(*) FROM stripe_events AS e
    WHERE e.type IN ('payment_intent.created', 'refund.created')
        AND EXISTS (SELECT 1 FROM absent AS a WHERE a.table_name = 'stripe_requests')
        AND EXISTS (SELECT 1 FROM our_stripe_objects AS s WHERE s.id = e.object_id)
);

-- explained
SELECT COALESCE(i.order_id, x.known_refund_id) AS subject, i.order_id, x.amount,
    CAST(NULL AS VARCHAR) AS currency,
    'refund ' || x.known_refund_id || ' was made outside' AS detail, CAST(NULL AS TIMESTAMP) AS happened_at
FROM unexplained AS x LEFT JOIN intent_orders AS i ON i.payment_intent_id = x.payment_intent_id
WHERE NOT x.sent_by_us AND x.operation = 'refund'
    AND x.known_refund_id IS NOT NULL;

-- excused
SELECT CAST(NULL AS BIGINT) AS amount, CAST(NULL AS VARCHAR) AS currency FROM unexplained AS x
WHERE NOT x.sent_by_us AND x.operation NOT IN ('create', 'refund');
