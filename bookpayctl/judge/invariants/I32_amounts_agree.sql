-- id: I32
-- title: amounts agree
-- asks: an order, its payment, its events and its PaymentIntent say one amount and currency.
-- required: order, payment, events and PaymentIntent say one amount
-- needs: orders, outbox?, payments
-- examined: places that name the amount of a judged order

-- said: what was given back may be a part of the order, and a dead letter repeats what it was made of
SELECT o.order_id, 'its payment' AS place, p.amount, p.currency
FROM judged_orders AS o JOIN payments AS p ON p.order_id = o.order_id
UNION ALL
SELECT o.order_id, i.payment_intent_id AS place, i.amount, i.currency
FROM judged_orders AS o
JOIN payments AS p ON p.order_id = o.order_id
JOIN intents AS i ON i.payment_intent_id = p.payment_intent_id
UNION ALL
-- An event written by hand may leave out what the chapter leaves out.
SELECT e.order_id, e.event_type || ' ' || e.event_id AS place, e.amount, e.currency
FROM judged_events AS e
WHERE e.has_amount
    AND e.event_type IN (
        'OrderPlaced', 'OrderPaid', 'OrderCancelled', 'PaymentCompleted', 'PaymentFailed'
    );

-- violations
SELECT o.order_id AS subject, o.order_id, ABS(COALESCE(s.amount, 0) - o.amount) AS amount,
    o.currency,
    s.place || ' says '
        || CASE
            WHEN s.amount IS NULL OR s.currency IS NULL
                THEN COALESCE(CAST(s.amount AS VARCHAR), 'None') || ' '
                    || COALESCE(s.currency, 'None')
            ELSE '{' || CAST(s.amount AS VARCHAR) || ' ' || s.currency || '}'
        END
        || ', the order {' || CAST(o.amount AS VARCHAR) || ' ' || o.currency || '}' AS detail,
    o.created_at AS happened_at
FROM said AS s JOIN judged_orders AS o ON o.order_id = s.order_id
WHERE s.amount IS DISTINCT FROM o.amount OR s.currency IS DISTINCT FROM o.currency;

-- examined
SELECT COUNT(*) FROM said;
