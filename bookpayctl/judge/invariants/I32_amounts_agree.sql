-- id: I32
-- title: amounts agree
-- asks: an order, its payment, its events and its PaymentIntent say one amount and currency.
-- required: order, payment, events and PaymentIntent say one amount
-- needs: orders, outbox?, payments
-- examined: places that name the amount of a judged order

-- violations: what was given back may be a part of the order, a dead letter repeats what it was
-- made of, and an event written by hand may leave out what the chapter leaves out
WITH said AS (
    SELECT o.order_id, o.amount AS owed, o.currency AS owed_in, o.created_at,
        'its payment' AS place, p.amount, p.currency
    FROM judged_orders AS o JOIN judged_payments AS p ON p.order_id = o.order_id
    WHERE p.amount IS DISTINCT FROM o.amount OR p.currency IS DISTINCT FROM o.currency
    UNION ALL
    SELECT o.order_id, o.amount AS owed, o.currency AS owed_in, o.created_at,
        i.payment_intent_id AS place, i.amount, i.currency
    FROM judged_orders AS o
    JOIN judged_payments AS p ON p.order_id = o.order_id
    JOIN intents AS i ON i.payment_intent_id = p.payment_intent_id
    WHERE i.amount IS DISTINCT FROM o.amount OR i.currency IS DISTINCT FROM o.currency
    UNION ALL
    SELECT o.order_id, o.amount AS owed, o.currency AS owed_in, o.created_at,
        e.event_type || ' ' || e.event_id AS place, e.amount, e.currency
    FROM judged_orders AS o JOIN judged_events AS e ON e.order_id = o.order_id
    WHERE e.has_amount
        AND e.event_type IN (
            'OrderPlaced', 'OrderPaid', 'OrderCancelled', 'PaymentCompleted', 'PaymentFailed'
        )
        AND (e.amount IS DISTINCT FROM o.amount OR e.currency IS DISTINCT FROM o.currency)
)
SELECT s.order_id AS subject, s.order_id, ABS(COALESCE(s.amount, 0) - s.owed) AS amount,
    s.owed_in AS currency,
    s.place || ' says '
        || CASE
            WHEN s.amount IS NULL OR s.currency IS NULL
                THEN COALESCE(CAST(s.amount AS VARCHAR), 'None') || ' '
                    || COALESCE(s.currency, 'None')
            ELSE '{' || CAST(s.amount AS VARCHAR) || ' ' || s.currency || '}'
        END
        || ', the order {' || CAST(s.owed AS VARCHAR) || ' ' || s.owed_in || '}' AS detail,
    s.created_at AS happened_at
FROM said AS s;

-- examined
SELECT
    (SELECT COUNT(*) FROM judged_payments)
    + (
        SELECT COUNT(*) FROM judged_payments AS p
        JOIN intents AS i ON i.payment_intent_id = p.payment_intent_id
    ) + (
        SELECT COUNT(*) FROM judged_events
        WHERE has_amount
            AND event_type IN (
                'OrderPlaced', 'OrderPaid', 'OrderCancelled', 'PaymentCompleted', 'PaymentFailed'
            )
    );
